"""The format of blueprint files: YAML, entries and tags."""
