"""The export of flows as blueprints, which authentik and FlowQL can import."""
