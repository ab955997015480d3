"""The one way to read flow data."""
