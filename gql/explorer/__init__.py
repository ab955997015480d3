"""What FlowQL shows to people: the front page, and GraphiQL."""
