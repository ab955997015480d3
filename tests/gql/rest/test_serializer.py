"""Tests of the fields of REST responses, in both dialects."""

import json

import pytest

from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.reference.requests import CURRENT, DOCUMENTED, FLOWS
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
        (DOCUMENTED, ["pagination", "results"], FIRST_KEYS + LAST_KEYS),
        (
            CURRENT,
            ["pagination", "results", "autocomplete"],
            FIRST_KEYS + CURRENT_KEYS + LAST_KEYS,
        ),
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
    """One dialect has the URL. The other has the stored value, the URL and a URL for each theme."""
    slug = find_slug_by_background(background)
    assert client.get(f"{DOCUMENTED}{slug}/", SUPERUSER).json["background"] == url
    flow = client.get(f"{CURRENT}{slug}/", SUPERUSER).json
    assert [flow[key] for key in ("background", *CURRENT_KEYS)] == [background, url, themed]


def test_unknown_enum_values_are_returned_unchanged(client: AppClient) -> None:
    """Enum values of a newer authentik are returned as stored."""
    flow = client.get(f"{DOCUMENTED}{FLOWS[5]['slug']}/", SUPERUSER).json
    assert (flow["designation"], flow["denied_action"]) == ("device_code", "redirect")
