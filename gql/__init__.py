"""The service: flows over GraphQL and REST, pages for browsers, and the command line."""
