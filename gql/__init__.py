"""How flows are asked for, and answered: over GraphQL, over REST, and on the command line."""
