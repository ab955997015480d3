"""authentik's blueprints: YAML files that declare flows, stages and policies."""
