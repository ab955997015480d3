"""authentik's models, as far as imports and exports need them."""
