"""Read access to flow data, shared by GraphQL, REST and the pages."""
