"""Check a server's responses against its own OpenAPI documents with schemathesis.

This runs in an environment without FlowQL. The arguments are the URLs of the documents; the token is in
FLOWQL_TOKEN. Prints a JSON array with one object per document: for each path, the slugs of the flows
whose response does not conform.
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
def return_text(_context: Any, response: Any) -> str:
    """Return a blueprint unparsed, because the document describes it as a file."""
    return response.text


def pages(session: Any, url: str) -> Iterator[Any]:
    """Yield the response for every page of one flow."""
    parameters = {"page_size": 1, "page": 1}
    while parameters["page"]:
        response = session.get(url, params=parameters)
        yield response
        parameters["page"] = response.json()["pagination"]["next"]


def find_invalid_responses(session: Any, document_url: str) -> dict[str, list[str]]:
    """Request every path of a document for every flow and return the slugs with invalid responses.

    Raises schemathesis's error if the document itself is invalid.
    """
    schema = schemathesis.openapi.from_dict(session.get(document_url).json())
    schema.validate()
    [server] = schema.raw_schema["servers"]
    base = requests.compat.urljoin(document_url, server["url"]).rstrip("/")
    invalid: dict[str, list[str]] = {path: [] for path in schema.raw_schema["paths"]}
    for page in pages(session, base + RESOURCE):
        slug = page.json()["results"][0]["slug"]
        for path, slugs in invalid.items():
            operation = schema[path]["GET"]
            responses = [page] if path == RESOURCE else get_all(session, operation, base, slug)
            if not all(map(operation.is_valid_response, responses)):
                slugs.append(slug)
    return invalid


def get_all(session: Any, operation: Any, base: str, slug: str) -> Iterator[Any]:
    """Yield the response of an operation in each of its media types for JSON, or in its only one."""
    types = list(operation.definition.raw["responses"]["200"]["content"])
    for accept in [name for name in types if name.endswith("json")] or types:
        yield session.get(base + operation.path.format(slug=slug), headers={"Accept": accept})


def main() -> None:
    """Check every document and print the results."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {os.environ['FLOWQL_TOKEN']}"
        session.headers["Accept"] = "application/json"
        results = [find_invalid_responses(session, url) for url in sys.argv[1:]]
    print(json.dumps(results))  # noqa: T201


if __name__ == "__main__":
    main()
