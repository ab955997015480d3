"""The REST API: authentik's flow endpoints over the resolvers that GraphQL uses."""
