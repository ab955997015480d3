"""Tests of the dialects: strict clients of each version of authentik, and the choice of a dialect."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gql.generations import GENERATIONS, find_generation
from gql.settings import SettingsError, read_settings
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.reference.requests import CURRENT, DOCUMENTED, MOUNTS
from support.reference.requests import GENERATIONS as GENERATION_MOUNTS

SUPERUSER = KEYS["superuser"]
ROOT_PATH = "/flows"

# Strict clients ------------------------------------------------------------------------------------

# Keys that the models of authentik's Go client have and do not require.
OPTIONAL_KEYS = {
    "policy_engine_mode",
    "compatibility_mode",
    "layout",
    "denied_action",
    "authentication",
}
REQUIRED_KEYS = {
    *("pk", "policybindingmodel_ptr_id", "name", "slug", "title", "designation"),
    *("stages", "policies", "cache_count", "export_url"),
}
PAGINATION_KEYS = {
    *("next", "previous", "count", "current", "total_pages", "start_index", "end_index"),
}
THEMED = {"background_url", "background_themed_urls"}


@dataclass(frozen=True, slots=True)
class StrictClient:
    """A client that rejects a response without a required key, or with an unknown one.

    Several releases of authentik's Go client do. `list_keys` are those of a page.
    """

    list_keys: set[str]
    required: set[str]
    optional: set[str]

    def find_error(self, page: Mapping[str, Any]) -> str | None:
        """Return the first error of a page of flows, None if the client can read it."""
        objects = [
            ("page", page, self.list_keys, self.list_keys),
            ("pagination", page["pagination"], PAGINATION_KEYS, PAGINATION_KEYS),
            *(
                ("flow", flow, self.required, self.required | self.optional)
                for flow in page["results"]
            ),
        ]
        for name, value, required, known in objects:
            if required - value.keys():
                return f"{name}: missing {required - value.keys()}"
            if value.keys() - known:
                return f"{name}: unknown {value.keys() - known}"
        return None


PAGE_KEYS = {"pagination", "results"}
AUTOCOMPLETE_KEYS = PAGE_KEYS | {"autocomplete"}
WITHOUT_AUTOCOMPLETE = StrictClient(PAGE_KEYS, REQUIRED_KEYS | {"background"}, OPTIONAL_KEYS)
WITH_AUTOCOMPLETE = StrictClient(AUTOCOMPLETE_KEYS, REQUIRED_KEYS | {"background"}, OPTIONAL_KEYS)
WITH_BACKGROUND_URL = StrictClient(
    AUTOCOMPLETE_KEYS, REQUIRED_KEYS | {"background_url"}, OPTIONAL_KEYS | {"background"}
)
WITH_THEMED_URLS = StrictClient(
    AUTOCOMPLETE_KEYS, REQUIRED_KEYS | THEMED, OPTIONAL_KEYS | {"background"}
)
# As in the releases of authentik's Go client.
CLIENTS = {
    "2024.2": WITHOUT_AUTOCOMPLETE,
    "2024.2.3": WITHOUT_AUTOCOMPLETE,
    "2024.10.5": WITHOUT_AUTOCOMPLETE,
    "2025.4.1": WITHOUT_AUTOCOMPLETE,
    "2025.6": WITHOUT_AUTOCOMPLETE,
    "2025.6.4": WITHOUT_AUTOCOMPLETE,
    "2025.7.0-rc1": WITHOUT_AUTOCOMPLETE,
    "2025.8.0": WITH_AUTOCOMPLETE,
    "2025.8.6": WITH_AUTOCOMPLETE,
    "2025.10": WITH_AUTOCOMPLETE,
    "2025.10.0": WITH_AUTOCOMPLETE,
    "2025.10.4": WITH_AUTOCOMPLETE,
    "2025.12.0": WITH_BACKGROUND_URL,
    "2025.12.0-rc1": WITH_BACKGROUND_URL,
    "2025.12.1": WITH_BACKGROUND_URL,
    # The last patch of 2025.12.
    "2025.12": WITH_THEMED_URLS,
    "2025.12.2": WITH_THEMED_URLS,
    "2026.2.1": WITH_THEMED_URLS,
    "2026.8": WITH_THEMED_URLS,
    "2026.8.3": WITH_THEMED_URLS,
    "2031.2": WITH_THEMED_URLS,
}


@pytest.mark.parametrize(("version", "strict"), CLIENTS.items())
def test_strict_clients_read_the_mount_of_their_generation(
    client: AppClient, version: str, strict: StrictClient
) -> None:
    """A strict client can read every flow of its mount, and no mount with other keys."""
    mount = f"/{find_generation(version).name}{CURRENT}"
    readable = {
        mount
        for mount in MOUNTS
        if not strict.find_error(client.get(f"{mount}?page_size=100", SUPERUSER).json)
    }

    assert mount in GENERATION_MOUNTS
    assert readable & set(GENERATION_MOUNTS) == {mount}
    assert (DOCUMENTED in readable) == (strict is WITHOUT_AUTOCOMPLETE)
    assert (CURRENT in readable) == (strict is WITH_THEMED_URLS)


@pytest.mark.parametrize(("version", "strict"), CLIENTS.items())
def test_dialect_sets_the_api_at_api_v3(
    sqlite_url: str, version: str, strict: StrictClient
) -> None:
    """`--dialect` changes the list, the flow and the OpenAPI document at /api/v3, and only them."""
    with AppClient(sqlite_url, dialect=version) as client:
        page = client.get(f"{CURRENT}?page_size=100", SUPERUSER).json
        flow = client.get(f"{CURRENT}{page['results'][0]['slug']}/", SUPERUSER).json
        schema = client.get("/api/v3/schema/?format=json").json
        root = client.get(DOCUMENTED, SUPERUSER).json
        current = client.get(GENERATION_MOUNTS[-1], SUPERUSER).json

    assert strict.find_error(page) is None
    assert flow == page["results"][0]
    assert list(schema["components"]["schemas"]["Flow"]["properties"]) == list(flow)
    assert WITHOUT_AUTOCOMPLETE.find_error(root) is None
    assert WITH_THEMED_URLS.find_error(current) is None


@pytest.mark.parametrize(
    "version",
    [
        *("2024.1", "2023.10.7", "2024.0.99", "1.2", "0000.0"),
        *("", "latest", "2025", "2025.", "2025.10.", "2025.10.x", "v2025.10", " 2025.10"),
        *("2025.10\n", "2025-10", "version/2025.10", "2025.10.3.1", "\u0662025.10", "-2025.10"),
    ],
)
def test_other_versions_are_rejected(version: str) -> None:
    """The error names the setting, the value and the ranges of versions."""
    with pytest.raises(SettingsError) as caught:
        read_settings(dialect=version)

    assert str(caught.value) == (
        f"--dialect: invalid version {version!r}: expected a version of authentik such as"
        " 2025.10, of one of the ranges 2024.2 to 2025.6, 2025.8 to 2025.10, 2025.12.0 and"
        " 2025.12.1, 2025.12.2 and later"
    )


def test_names_of_generations_belong_to_them() -> None:
    """The name of each generation is a version of it."""
    assert [find_generation(generation.name) for generation in GENERATIONS] == list(GENERATIONS)


# URLs below a root path ----------------------------------------------------------------------------


def test_export_urls_have_the_root_path(sqlite_url: str) -> None:
    """REST in all dialects and GraphQL return the same path, which returns the export."""
    with AppClient(sqlite_url, root_path=ROOT_PATH) as client:
        query = (
            '{ flows(pageSize: 100) { results { exportUrl } } flow(slug: "a-flow") { exportUrl } }'
        )
        data = client.graphql(query, SUPERUSER).json["data"]
        expected = [flow["exportUrl"] for flow in data["flows"]["results"]]
        for mount in MOUNTS:
            page = client.get(f"{ROOT_PATH}{mount}?page_size=100", SUPERUSER).json
            flow = client.get(f"{ROOT_PATH}{mount}a-flow/", SUPERUSER).json
            assert [flow["export_url"] for flow in page["results"]] == expected
            assert flow["export_url"] == data["flow"]["exportUrl"]
        export = client.get(data["flow"]["exportUrl"], SUPERUSER)

    assert data["flow"]["exportUrl"] == f"{ROOT_PATH}{CURRENT}a-flow/export/"
    assert (export.status, export.headers["content-type"]) == (200, "application/yaml")


def test_own_urls_have_the_root_path(sqlite_url: str) -> None:
    """The links of the index, and the servers of the OpenAPI documents, are below the root path."""
    with AppClient(sqlite_url, root_path=ROOT_PATH) as client:
        texts = map(str, client.get(f"{ROOT_PATH}/").json.values())
        paths = [text for text in texts if text.startswith("/")]
        for mount in MOUNTS:
            path = f"{mount.removesuffix(DOCUMENTED)}/schema/?format=json"
            [server] = client.get(path).json["servers"]
            assert server["url"] + DOCUMENTED == ROOT_PATH + mount
            paths.append(server["url"] + DOCUMENTED)
        statuses = {path: client.get(path, SUPERUSER).status for path in paths}

    # GraphQL needs a query.
    assert statuses.pop(f"{ROOT_PATH}/graphql") == 400
    assert set(statuses.values()) == {200}
    assert [path for path in paths if not path.startswith(f"{ROOT_PATH}/")] == []


def test_urls_of_images_are_authentik_s(sqlite_url: str) -> None:
    """Authentik serves the images, so their URLs do not have FlowQL's root path."""
    keys = ("background", *sorted(THEMED))
    with AppClient(sqlite_url, root_path=ROOT_PATH) as client, AppClient(sqlite_url) as other:
        for mount in MOUNTS:
            flows, expected = (
                app.get(f"{mount}?page_size=100", SUPERUSER).json["results"]
                for app in (client, other)
            )
            assert [[flow.get(key) for key in keys] for flow in flows] == [
                [flow.get(key) for key in keys] for flow in expected
            ]


def test_environment_sets_the_dialect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """FLOWQL_DIALECT is the variable of `--dialect`; the default is the newest generation."""
    monkeypatch.chdir(tmp_path)
    assert read_settings().dialect == GENERATIONS[-1].name
    monkeypatch.setenv("FLOWQL_DIALECT", "2025.10.3")
    assert read_settings().dialect == "2025.10.3"
