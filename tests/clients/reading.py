"""What a generated client of authentik says when it is asked about flows.

The scripts beside this file run in environments that have a client and nothing of FlowQL. The token comes
in the environment variable FLOWQL_TOKEN, so that no list of processes shows it.
"""

import importlib
import os
from collections.abc import Iterator
from typing import Any

authentik_client: Any = importlib.import_module("authentik_client")


def flows_api(host: str, token: str) -> Any:
    """Return the client's part for flows, as its own manual sets it up."""
    configuration = authentik_client.Configuration(host=host, access_token=token)
    return authentik_client.FlowsApi(authentik_client.ApiClient(configuration))


def read(host: str, designation: Any) -> dict[str, Any]:
    """Ask each question that a reader of flows asks, and return the answers by the question's name.

    A designation is text to the older client, a member of its enum to the newer.
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
        "one": dump(api.flows_instances_retrieve("default-authentication-flow")),
        "export": api.flows_instances_export_retrieve("default-authentication-flow").decode(),
        "unknown": refusal(api, "no-such-flow"),
        "stranger": refusal(flows_api(host, "not-a-token"), "default-authentication-flow"),
    }


def dump(model: Any) -> Any:
    """Return all that a client's model holds, read-only fields too, as JSON would say it."""
    return model.model_dump(mode="json", by_alias=True)


def slugs(page: Any) -> list[str]:
    """Return the slugs of one page in its order."""
    return [flow.slug for flow in page.results]


def pages(api: Any, **parameters: Any) -> Iterator[Any]:
    """Follow the page numbers until there is no next one."""
    number = 1
    while number:
        page = api.flows_instances_list(page=number, **parameters)
        yield page
        number = int(page.pagination.next)


def refusal(api: Any, slug: str) -> dict[str, Any]:
    """Return what the client raises for a flow that it cannot have."""
    try:
        api.flows_instances_retrieve(slug)
    except authentik_client.ApiException as error:
        return {"status": error.status, "body": error.body}
    return {}
