"""Hooks of schemathesis for REST: a blueprint is a file.

schemathesis loads this file in an environment without FlowQL.
"""

import importlib
from typing import Any

schemathesis: Any = importlib.import_module("schemathesis")
media_types: Any = importlib.import_module("schemathesis.core.media_types")


@schemathesis.deserializer(*media_types.YAML_MEDIA_TYPES)
def deserialize_yaml(_context: Any, response: Any) -> str:
    """Return a blueprint as a string, because its schema is a binary file."""
    return response.text
