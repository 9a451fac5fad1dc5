"""The commands behind every number in docs/."""
