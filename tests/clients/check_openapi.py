"""What schemathesis, which judges answers by OpenAPI documents, says of a server's own documents.

It runs in an environment that has nothing of FlowQL. The addresses of the documents are the arguments,
and FLOWQL_TOKEN holds a token. For each document, a JSON object of the slugs whose flow is told
otherwise than the document says, by operation.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

requests: Any = importlib.import_module("requests")
schemathesis: Any = importlib.import_module("schemathesis")
media_types: Any = importlib.import_module("schemathesis.core.media_types")

RESOURCE = "/flows/instances/"


@schemathesis.deserializer(*media_types.YAML_MEDIA_TYPES)
def deserialized(_context: Any, response: Any) -> str:
    """A blueprint as it came, since the document says of it that it is a file."""
    return response.text


def pages(session: Any, address: str) -> Iterator[Any]:
    """Every page of one flow."""
    page = {"page_size": 1, "page": 1}
    while page["page"]:
        answer = session.get(address, params=page)
        yield answer
        page["page"] = answer.json()["pagination"]["next"]


def untold(session: Any, document: str) -> dict[str, list[str]]:
    """Ask for all that a document tells of; raises what is wrong with the document itself."""
    schema = schemathesis.openapi.from_dict(session.get(document).json())
    schema.validate()
    [server] = schema.raw_schema["servers"]
    base = requests.compat.urljoin(document, server["url"]).rstrip("/")
    wrong: dict[str, list[str]] = {path: [] for path in schema.raw_schema["paths"]}
    for page in pages(session, base + RESOURCE):
        slug = page.json()["results"][0]["slug"]
        for path, found in wrong.items():
            answer = page if path == RESOURCE else session.get(base + path.format(slug=slug))
            if not schema[path]["GET"].is_valid_response(answer):
                found.append(slug)
    return wrong


def main() -> None:
    """Print the objects as one JSON array."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {os.environ['FLOWQL_TOKEN']}"
        session.headers["Accept"] = "application/json"
        print(json.dumps([untold(session, document) for document in sys.argv[1:]]))  # noqa: T201


if __name__ == "__main__":
    main()
