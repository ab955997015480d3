"""The page of the REST API, as HTML."""

import pytest

from gql.generations import GENERATIONS
from gql.rest.dialects import build_dialects
from support.app_client import AppClient
from support.pages import Page, visit

MOUNTS = [dialect.base_path for dialect in build_dialects(GENERATIONS[-1].name)]


@pytest.mark.parametrize("mount", MOUNTS)
def test_page_shows_the_openapi_document(sqlite_client: AppClient, mount: str) -> None:
    """Each operation of the mount's document has a form with its parameters."""
    document = sqlite_client.get(f"{mount}/schema/?format=json").json
    response = visit(sqlite_client, f"/openapi?mount={mount}")
    page = Page(response)
    names = page.values("name")

    assert response.status == 200
    assert (page.values("data-mount") or [""]) == [mount]
    assert len(page.values("data-path")) == len(document["paths"])
    for path, methods in document["paths"].items():
        operation = methods["get"]
        assert path in page.values("data-path")
        assert operation["operationId"] in page.values("data-operation")
        for parameter in operation["parameters"]:
            reference = parameter.get("$ref", "").rpartition("/")[2]
            resolved = document["components"]["parameters"].get(reference, parameter)
            assert resolved["name"] in names
    for name, schema in document["components"]["schemas"].items():
        for property_name in schema.get("properties", ()):
            assert property_name in page.text, name


def test_unknown_mount(sqlite_client: AppClient) -> None:
    """The page says that there is no such mount, and shows the newest API."""
    response = visit(sqlite_client, "/openapi?mount=/api/v2")

    assert response.status == 404
    assert "Unknown mount '/api/v2'." in Page(response).text
    assert "/api/v3" in Page(response).values("data-mount")


def test_links_have_the_root_path(sqlite_url: str) -> None:
    """The forms send requests below the root path."""
    with AppClient(sqlite_url, root_path="/flows") as client:
        page = Page(visit(client, "/flows/openapi"))

    assert page.values("data-mount") == ["/flows/api/v3"]
    assert "/flows/api/v3/schema/?format=json" in page.values("href")
