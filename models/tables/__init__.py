"""SQLModel tables with authentik's names."""
