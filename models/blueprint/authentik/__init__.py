"""How authentik reads the values of entries, and the kinds of objects that FlowQL stores."""
