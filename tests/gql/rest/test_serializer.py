"""Tests of the fields of REST responses, in all dialects."""

import json

import pytest

from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.reference.requests import CURRENT, DOCUMENTED, FLOWS, GENERATIONS
from support.reference.responses import parse_ordered

SUPERUSER = KEYS["superuser"]
FIRST_SLUG = min(str(flow["slug"]) for flow in FLOWS)

PAGINATION_KEYS = [
    "next",
    "previous",
    "count",
    "current",
    "total_pages",
    "start_index",
    "end_index",
]
FIRST_KEYS = [
    "pk",
    "policybindingmodel_ptr_id",
    "name",
    "slug",
    "title",
    "designation",
    "background",
]
CURRENT_KEYS = ["background_url", "background_themed_urls"]
PAGE_KEYS = ["pagination", "results"]
AUTOCOMPLETE_KEYS = [*PAGE_KEYS, "autocomplete"]
LAST_KEYS = [
    "stages",
    "policies",
    "cache_count",
    "policy_engine_mode",
    "compatibility_mode",
    "export_url",
    "layout",
    "denied_action",
    "authentication",
]


@pytest.mark.parametrize(
    ("mount", "keys", "flow_keys"),
    [
        (DOCUMENTED, PAGE_KEYS, FIRST_KEYS + LAST_KEYS),
        (CURRENT, AUTOCOMPLETE_KEYS, FIRST_KEYS + CURRENT_KEYS + LAST_KEYS),
        (GENERATIONS[0], PAGE_KEYS, FIRST_KEYS + LAST_KEYS),
        (GENERATIONS[1], AUTOCOMPLETE_KEYS, FIRST_KEYS + LAST_KEYS),
        (GENERATIONS[2], AUTOCOMPLETE_KEYS, FIRST_KEYS + CURRENT_KEYS[:1] + LAST_KEYS),
        (GENERATIONS[3], AUTOCOMPLETE_KEYS, FIRST_KEYS + CURRENT_KEYS + LAST_KEYS),
    ],
)
def test_keys(client: AppClient, mount: str, keys: list[str], flow_keys: list[str]) -> None:
    """The list and the detail have the keys of the dialect, in its order."""
    response = client.get(mount, SUPERUSER)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"
    assert list(response.json) == keys
    assert response.json.get("autocomplete", {}) == {}
    assert list(response.json["pagination"]) == PAGINATION_KEYS
    assert [list(flow) for flow in response.json["results"]] == [flow_keys] * 20
    detail = client.get(f"{mount}{response.json['results'][0]['slug']}/", SUPERUSER)
    assert parse_ordered(detail.body) == parse_ordered(
        json.dumps(response.json["results"][0]).encode()
    )


def find_slug_by_background(background: str) -> str:
    """Return the slug of the first flow with this stored background."""
    return next(str(flow["slug"]) for flow in FLOWS if flow["background"] == background)


@pytest.mark.parametrize(
    ("background", "url", "themed"),
    [
        ("", "/static/dist/assets/images/flow_background.jpg", None),
        ("flow-backgrounds/über.png", "/media/public/flow-backgrounds/über.png", None),
        ("httpdocs.png", "httpdocs.png", None),
        ("HTTPS://EXAMPLE.COM/upper.png", "/media/public/HTTPS://EXAMPLE.COM/upper.png", None),
        ("static/relative.png", "/media/public/static/relative.png", None),
        ("%(theme)", "/media/public/%(theme)", None),
        (
            "/static/custom-%(theme)s.svg",
            "/static/custom-%(theme)s.svg",
            {"light": "/static/custom-light.svg", "dark": "/static/custom-dark.svg"},
        ),
        (
            "flow-backgrounds/%(theme)s/%(theme)s.jpg",
            "/media/public/flow-backgrounds/%(theme)s/%(theme)s.jpg",
            {
                "light": "/media/public/flow-backgrounds/light/light.jpg",
                "dark": "/media/public/flow-backgrounds/dark/dark.jpg",
            },
        ),
    ],
)
def test_backgrounds(client: AppClient, background: str, url: str, themed: object) -> None:
    """Old dialects have the URL. New ones have the stored value, the URL and one for each theme."""
    slug = find_slug_by_background(background)
    for mount in (DOCUMENTED, *GENERATIONS[:2]):
        assert client.get(f"{mount}{slug}/", SUPERUSER).json["background"] == url
    for mount in (CURRENT, *GENERATIONS[2:]):
        flow = client.get(f"{mount}{slug}/", SUPERUSER).json
        expected: dict[str, object] = {"background": background, "background_url": url}
        if mount != GENERATIONS[2]:
            expected["background_themed_urls"] = themed
        assert {key: value for key, value in flow.items() if "background" in key} == expected


def test_unknown_enum_values_are_returned_unchanged(client: AppClient) -> None:
    """Enum values of a newer authentik are returned as stored."""
    flow = client.get(f"{DOCUMENTED}{FLOWS[5]['slug']}/", SUPERUSER).json
    assert (flow["designation"], flow["denied_action"]) == ("device_code", "redirect")
