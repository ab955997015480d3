"""What a flow is once stored: tables, and the SELECTs over them; nothing of HTTP or GraphQL."""
