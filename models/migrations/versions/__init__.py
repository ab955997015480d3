"""Migrations in order: one file a version."""
