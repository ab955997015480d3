"""What authentik knows of its models: their attributes, names and secrets."""
