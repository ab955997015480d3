"""Builders of SELECT statements, without side effects."""
