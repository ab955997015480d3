"""Modules that every HTTP interface uses."""
