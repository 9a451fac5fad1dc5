"""What `vlam demo` shows."""
