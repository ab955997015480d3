"""Execution of GraphQL operations: by plans that are compiled once, or by graphql-core."""
