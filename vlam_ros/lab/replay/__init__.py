"""Recorded runs as regression tests: decide again, compare, report."""
