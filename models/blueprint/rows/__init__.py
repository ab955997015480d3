"""The rows of an import: read, planned and written."""
