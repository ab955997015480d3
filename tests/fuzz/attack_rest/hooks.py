"""What schemathesis knows of FlowQL's REST: a blueprint is a file.

It is loaded by schemathesis, in an environment that has nothing of FlowQL.
"""

import importlib
from typing import Any

schemathesis: Any = importlib.import_module("schemathesis")
media_types: Any = importlib.import_module("schemathesis.core.media_types")


@schemathesis.deserializer(*media_types.YAML_MEDIA_TYPES)
def deserialized(_context: Any, response: Any) -> str:
    """A blueprint as it came, since the document says of it that it is a file."""
    return response.text
