"""The complete content of a system, read from any source."""
