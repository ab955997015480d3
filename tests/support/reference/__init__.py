"""The endpoint that FlowQL keeps, written with the framework that authentik's is written with."""
