"""What people see in a browser: the front page, and GraphiQL."""
