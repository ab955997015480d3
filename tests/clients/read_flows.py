"""Requests of authentik's generated Python client, and their results as JSON.

The scripts in this folder run in environments with a client and without FlowQL. The token is in the
environment variable FLOWQL_TOKEN, because process lists show arguments.
"""

import importlib
import os
from collections.abc import Iterator
from typing import Any

authentik_client: Any = importlib.import_module("authentik_client")


def flows_api(host: str, token: str) -> Any:
    """Return the client's API of flows, configured as its documentation shows."""
    configuration = authentik_client.Configuration(host=host, access_token=token)
    return authentik_client.FlowsApi(authentik_client.ApiClient(configuration))


def read_flows(host: str, designation: Any) -> dict[str, Any]:
    """Send every request and return the results by name.

    The older client takes a designation as a string, the newer one as a member of its enum.
    """
    api = flows_api(host, os.environ["FLOWQL_TOKEN"])
    return {
        "client": authentik_client.__version__,
        "all": dump(api.flows_instances_list(page_size=100)),
        "designation": slugs(api.flows_instances_list(designation=designation)),
        "search": slugs(api.flows_instances_list(search="default setup")),
        "ordering": slugs(api.flows_instances_list(ordering="-slug", page_size=100)),
        "slug": slugs(api.flows_instances_list(slug="initial-setup")),
        "pages": [slugs(page) for page in pages(api, page_size=5, ordering="name")],
        "flow": dump(api.flows_instances_retrieve("default-authentication-flow")),
        "export": api.flows_instances_export_retrieve("default-authentication-flow").decode(),
        "unknown_flow": error_of(api, "no-such-flow"),
        "invalid_token": error_of(flows_api(host, "not-a-token"), "default-authentication-flow"),
    }


def dump(model: Any) -> Any:
    """Return a model as JSON, including its read-only fields."""
    return model.model_dump(mode="json", by_alias=True)


def slugs(page: Any) -> list[str]:
    """Return the slugs of a page in its order."""
    return [flow.slug for flow in page.results]


def pages(api: Any, **parameters: Any) -> Iterator[Any]:
    """Follow the page numbers until there is no next page."""
    number = 1
    while number:
        page = api.flows_instances_list(page=number, **parameters)
        yield page
        number = int(page.pagination.next)


def error_of(api: Any, slug: str) -> dict[str, Any]:
    """Return the status and body of the error that the client raises for a slug."""
    try:
        api.flows_instances_retrieve(slug)
    except authentik_client.ApiException as error:
        return {"status": error.status, "body": error.body}
    return {}
