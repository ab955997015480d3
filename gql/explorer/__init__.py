"""Pages for browsers: the front page and GraphiQL."""
