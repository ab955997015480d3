"""Stored data: tables, SELECT builders, databases and blueprints, without HTTP or GraphQL."""
