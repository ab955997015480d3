"""The sync reads authentik's flows from its REST API, and mirrors them in FlowQL's own database."""
