"""A reference implementation of authentik's REST endpoints, in Django REST framework."""
