"""authentik's models: their attributes, names and secrets."""
