"""The planning of an import."""
