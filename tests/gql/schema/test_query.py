"""GraphQL answers what the data says, and refuses what cannot be answered."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from support.app_client import AppClient, Response
from support.edge_case_data import (
    FLOW_COUNT,
    KEYS,
    READING_KEYS,
    ROWS,
    SEEN_BY_ROLE,
    flow_uuid,
    identifier,
)
from support.graph import EVERY_FIELD, EVERY_PLACE, place, told, unknown_enums

FLOWS = ROWS["authentik_flows_flow"]
SLUGS = sorted(str(flow["slug"]) for flow in FLOWS)
MODES = {
    row["pbm_uuid"]: str(row["policy_engine_mode"])
    for row in ROWS["authentik_policies_policybindingmodel"]
}
SUPERUSER = KEYS["superuser"]
UNKNOWN = "UNKNOWN_ENUM_VALUE"
BAD_INPUT = "BAD_USER_INPUT"
JSON_IN_UTF8 = "application/json; charset=utf-8"

Row = Mapping[str, Any]

# What `flows` can be asked, and which flows that leaves, or what they are sorted by.
FILTERS: Sequence[tuple[str, Callable[[Row], bool]]] = [
    ("designation: RECOVERY", lambda flow: flow["designation"] == "recovery"),
    ("deniedAction: CONTINUE", lambda flow: flow["denied_action"] == "continue"),
    ('name: "Straße"', lambda flow: flow["name"] == "Straße"),
    ('name: " padded "', lambda flow: flow["name"] == " padded "),
    ('name: "padded"', lambda flow: flow["name"] == "padded"),
    ('name: ""', lambda _: False),
    ('slug: "A-flow"', lambda flow: flow["slug"] == "A-flow"),
    ('slug: " A-flow"', lambda _: False),
    ('slug: "ü"', lambda _: False),
    ('slug: ""', lambda _: False),
    (f'pk: "{flow_uuid(7)}"', lambda flow: flow["flow_uuid"] == flow_uuid(7)),
    (f'pk: "urn:uuid:{flow_uuid(7).upper()}"', lambda flow: flow["flow_uuid"] == flow_uuid(7)),
    (f'pk: "{flow_uuid(FLOW_COUNT)}"', lambda _: False),
    ('search: "unenroll"', lambda flow: "unenroll" in flow["designation"] + flow["slug"]),
    ('search: "100%"', lambda flow: "100%" in flow["name"]),
    ('search: "a_b"', lambda flow: "a_b" in flow["name"].lower()),
    ('search: "ÜBER UNS"', lambda flow: "über uns" in flow["name"].lower()),
    ('search: "\\"one two\\""', lambda flow: flow["name"] == "one two"),
    (
        'designation: ENROLLMENT, search: "x"',
        lambda flow: (
            flow["designation"] == "enrollment"
            and any("x" in flow[name].lower() for name in ("name", "slug", "title"))
        ),
    ),
    (
        "designation: ENROLLMENT, deniedAction: MESSAGE",
        lambda flow: (flow["designation"], flow["denied_action"]) == ("enrollment", "message"),
    ),
]
ORDERINGS: Sequence[tuple[str, Callable[[Row], Any]]] = [
    ("[]", lambda flow: flow["slug"]),
    ("PK_ASC", lambda flow: flow["flow_uuid"]),
    ("POLICYBINDINGMODEL_PTR_ID_ASC", lambda flow: flow["policybindingmodel_ptr_id"]),
    ("NAME_ASC", lambda flow: (flow["name"], flow["slug"])),
    ("[SLUG_ASC, NAME_DESC]", lambda flow: flow["slug"]),
    ("TITLE_ASC", lambda flow: (flow["title"], flow["slug"])),
    ("DESIGNATION_ASC", lambda flow: (flow["designation"], flow["slug"])),
    (
        "POLICY_ENGINE_MODE_ASC",
        lambda flow: (MODES[flow["policybindingmodel_ptr_id"]], flow["slug"]),
    ),
    ("COMPATIBILITY_MODE_DESC", lambda flow: (not flow["compatibility_mode"], flow["slug"])),
    ("LAYOUT_ASC", lambda flow: (flow["layout"], flow["slug"])),
    ("DENIED_ACTION_ASC", lambda flow: (flow["denied_action"], flow["slug"])),
    ("AUTHENTICATION_ASC", lambda flow: (flow["authentication"], flow["slug"])),
    ("BACKGROUND_ASC", lambda flow: (flow["background"], flow["slug"])),
    (
        "[DESIGNATION_ASC, LAYOUT_ASC]",
        lambda flow: (flow["designation"], flow["layout"], flow["slug"]),
    ),
    ("[TITLE_ASC, TITLE_DESC]", lambda flow: (flow["title"], flow["slug"])),
]


def data(answer: Response) -> Any:
    """The data of an answer without errors."""
    assert (answer.status, answer.headers["content-type"]) == (200, JSON_IN_UTF8)
    assert list(answer.json) == ["data"], answer.json
    return answer.json["data"]


def slugs(client: AppClient, arguments: str, key: str = SUPERUSER) -> list[str]:
    """The slugs on the page of flows that the arguments ask for."""
    flows = data(client.graphql(f"{{ flows{arguments} {{ results {{ slug }} }} }}", key))["flows"]
    return [flow["slug"] for flow in flows["results"]]


def slugs_where(condition: Callable[[Row], bool]) -> list[str]:
    """The slugs of the stored flows that a condition holds for, sorted."""
    return sorted(str(flow["slug"]) for flow in FLOWS if condition(flow))


# Arguments ----------------------------------------------------------------------------------------


def test_page(client: AppClient) -> None:
    """A page without arguments has the first 20 flows by slug, and tells its place."""
    query = f"{{ flows {{ pagination {{ {EVERY_PLACE} }} results {{ slug }} }} }}"
    assert data(client.graphql(query, SUPERUSER)) == {
        "flows": {
            "pagination": {
                "next": 2,
                "previous": 0,
                "count": FLOW_COUNT,
                "current": 1,
                "totalPages": 8,
                "startIndex": 1,
                "endIndex": 20,
            },
            "results": [{"slug": slug} for slug in SLUGS[:20]],
        }
    }


@pytest.mark.parametrize(("page", "size"), [(1, 1), (2, 7), (23, 7), (2, 100), (160, 1)])
def test_any_page(client: AppClient, page: int, size: int) -> None:
    """Each page follows on the one before."""
    start = (page - 1) * size
    expected = SLUGS[start : start + size]
    assert expected == slugs(client, f"(page: {page}, pageSize: {size})")


@pytest.mark.parametrize(("argument", "condition"), FILTERS)
def test_filter(client: AppClient, argument: str, condition: Callable[[Row], bool]) -> None:
    """A filter leaves just the flows that it says, untrimmed; several hold together."""
    assert slugs_where(condition) == slugs(client, f"({argument}, pageSize: 100)")


@pytest.mark.parametrize(
    "argument",
    ["designation", "search", "ordering", "deniedAction", "name", "slug", "pk"],
)
def test_null_is_no_filter(client: AppClient, argument: str) -> None:
    """A null argument is as none at all."""
    assert SLUGS[:20] == slugs(client, f"({argument}: null)")


@pytest.mark.parametrize("search", ["", " ", ",", '\\"\\"', " , "])
def test_a_search_of_nothing_is_no_filter(client: AppClient, search: str) -> None:
    """A search without terms, or for an empty one, leaves every flow."""
    assert SLUGS[:20] == slugs(client, f'(search: "{search}")')


@pytest.mark.parametrize(("ordering", "key"), ORDERINGS)
def test_ordering(client: AppClient, ordering: str, key: Callable[[Row], Any]) -> None:
    """Flows are sorted as they are stored, character by character, with ties by slug."""
    expected = [flow["slug"] for flow in sorted(FLOWS, key=key)]
    assert expected[:100] == slugs(client, f"(ordering: {ordering}, pageSize: 100)")


@pytest.mark.parametrize("name", ["SLUG", "PK"])
def test_descending_ordering(client: AppClient, name: str) -> None:
    """A descending order is the ascending one backwards, where there are no ties."""
    column = {"SLUG": "slug", "PK": "flow_uuid"}[name]
    expected = [
        flow["slug"] for flow in sorted(FLOWS, key=lambda row: str(row[column]), reverse=True)
    ]
    assert expected[:100] == slugs(client, f"(ordering: {name}_DESC, pageSize: 100)")


# Fields -------------------------------------------------------------------------------------------


def test_every_field_is_rests(client: AppClient) -> None:
    """All fields of all flows, and all places of pages, are what REST says."""
    for page in (1, 2):
        rest = client.get(f"/api/v3/flows/instances/?page_size=100&page={page}", SUPERUSER).json
        query = (
            f"{{ flows(pageSize: 100, page: {page})"
            f" {{ pagination {{ {EVERY_PLACE} }} results {{ {EVERY_FIELD} }} }} }}"
        )
        answer = client.graphql(query, SUPERUSER).json
        assert answer["data"]["flows"] == {
            "pagination": place(rest["pagination"]),
            "results": [told(flow) for flow in rest["results"]],
        }
        assert [error["path"] for error in answer["errors"]] == [
            path
            for number, flow in enumerate(rest["results"])
            for path in unknown_enums(flow, "flows", "results", number)
        ]


def test_a_flow_by_hand(client: AppClient) -> None:
    """A flow is what is stored for it: enums in upper case, URLs, stages and policies in order."""
    assert data(client.graphql(_flow("a-flow"), SUPERUSER))["flow"] == {
        "pk": flow_uuid(1),
        "policybindingmodelPtrId": identifier("flow target", 1),
        "name": "Logout",
        "slug": "a-flow",
        "title": 'A "quoted phrase" inside',
        "designation": "RECOVERY",
        "background": "/media/public/flow-backgrounds/über.png",
        "stages": [
            "677a951a-b746-5015-9c45-21121ef859dd",
            "2833b988-b7a3-5095-8e46-fdcfc2403912",
            "5e86ef2e-2dc4-5cf6-95e5-4385cf4d55d4",
            "5e86ef2e-2dc4-5cf6-95e5-4385cf4d55d4",
        ],
        "policies": _policies_of(identifier("flow target", 1)),
        "cacheCount": 0,
        "policyEngineMode": "ANY",
        "compatibilityMode": True,
        "exportUrl": "/api/v3/flows/instances/a-flow/export/",
        "layout": "SIDEBAR_LEFT",
        "deniedAction": "MESSAGE_CONTINUE",
        "authentication": "NONE",
    }


def _policies_of(target: str) -> list[object]:
    rows = [row for row in ROWS["authentik_policies_policybinding"] if row["target_id"] == target]
    rows.sort(key=lambda row: (int(str(row["order"])), str(row["policy_binding_uuid"])))
    return [row["policy_id"] for row in rows if row["policy_id"]]


@pytest.mark.parametrize(("number", "plans"), [(1, 0), (3, 4), (4, 3), (12, 1)])
def test_cached_plans(client: AppClient, number: int, plans: int) -> None:
    """Only the plans of the flow itself count, expired or not."""
    query = f'{{ flows(pk: "{flow_uuid(number)}") {{ results {{ cacheCount }} }} }}'
    assert data(client.graphql(query, SUPERUSER))["flows"]["results"] == [{"cacheCount": plans}]


def _flow(slug: str) -> str:
    return f"{{ flow(slug: {json.dumps(slug)}) {{ {EVERY_FIELD} }} }}"


def test_flow_is_rests(client: AppClient) -> None:
    """`flow` says of a flow what REST's detail says."""
    for slug in SLUGS[::9]:
        rest = client.get(f"/api/v3/flows/instances/{slug}/", SUPERUSER).json
        answer = client.graphql(_flow(slug), SUPERUSER).json
        assert answer["data"] == {"flow": told(rest)}
        paths = [error["path"] for error in answer.get("errors", [])]
        assert paths == unknown_enums(rest, "flow")


def test_unknown_enum_values_are_null(client: AppClient) -> None:
    """A value that this version does not know is null, with an error; other rows are untouched."""
    query = "{ flows(pageSize: 100) { results { slug designation layout } } }"
    answer = client.graphql(query, SUPERUSER).json
    flows = {flow["slug"]: flow for flow in answer["data"]["flows"]["results"]}
    slug = str(FLOWS[5]["slug"])
    assert flows[slug] == {"slug": slug, "designation": None, "layout": "CONTENT_LEFT"}
    assert flows["a-flow"] == {
        "slug": "a-flow",
        "designation": "RECOVERY",
        "layout": "SIDEBAR_LEFT",
    }
    number = list(flows).index(slug)
    [error] = [error for error in answer["errors"] if error["path"][2] == number]
    assert error["path"] == ["flows", "results", number, "designation"]
    assert error["extensions"] == {"code": UNKNOWN}
    assert error["message"] == "FlowDesignation has no value for 'device_code'."


def test_errors_are_sorted_by_path(client: AppClient) -> None:
    """Several errors are listed in the order of their paths, whatever finished first."""
    page = 'flows(search: "flow", pageSize: 100) { results { stages policies cacheCount layout } }'
    flow = f'flow(slug: "{FLOWS[29]["slug"]}") {{ layout designation }}'
    answer = client.graphql(f"{{ a: {page} b: {flow} c: {page} d: {flow} }}", SUPERUSER).json
    paths = [error["path"] for error in answer["errors"]]
    assert paths == sorted(paths)
    assert {path[0] for path in paths} == {"a", "b", "c", "d"}


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("flows(page: 0)", "page 0 does not exist: the last page is 8."),
        ("flows(page: -1)", "page -1 does not exist: the last page is 8."),
        ("flows(page: 9)", "page 9 does not exist: the last page is 8."),
        ('flows(slug: "", page: 2)', "page 2 does not exist: the only page is 1."),
        ("flows(pageSize: 0)", "pageSize is 0, not from 1 to 100."),
        ("flows(pageSize: -1)", "pageSize is -1, not from 1 to 100."),
        ("flows(pageSize: 101)", "pageSize is 101, not from 1 to 100."),
        *(
            (f'flows({name}: "a\\u0000b")', f"{name} has a NUL character")
            for name in ("search", "name", "slug")
        ),
    ],
)
def test_unusable_arguments(client: AppClient, field: str, message: str) -> None:
    """An argument that cannot be used is an error with a code and a path, and no data at all."""
    answer = client.graphql(f"{{ {field} {{ results {{ pk }} }} }}", SUPERUSER)
    [error] = answer.json["errors"]
    assert (answer.status, answer.json["data"], error["path"]) == (200, None, ["flows"])
    assert error["extensions"] == {"code": BAD_INPUT}
    assert error["message"].startswith(message)


def test_nul_in_the_slug_of_a_flow(client: AppClient) -> None:
    """A NUL is an error; the flow, which may be null, is the only thing that is."""
    answer = client.graphql('{ __typename flow(slug: "\\u0000") { pk } }', SUPERUSER).json
    assert answer["data"] == {"__typename": "Query", "flow": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == [BAD_INPUT]


@pytest.mark.parametrize("pk", ['"nope"', '""', "1", "[]", "{}", "true", '"\\u0000"'])
def test_malformed_uuids(client: AppClient, pk: str) -> None:
    """What is no UUID is told so, in the document or in a variable, and nothing is executed."""
    literal = client.graphql(f"{{ flows(pk: {pk}) {{ results {{ pk }} }} }}", SUPERUSER)
    query = "query ($pk: UUID) { flows(pk: $pk) { results { pk } } }"
    variable = client.graphql(query, SUPERUSER, {"pk": json.loads(pk)})
    for answer in (literal, variable):
        assert (answer.status, list(answer.json)) == (200, ["errors"])
        assert [error["extensions"] for error in answer.json["errors"]] == [{"code": BAD_INPUT}]


@pytest.mark.parametrize(
    "field",
    [
        "flows(designation: NOPE) { results { pk } }",
        "flows(designation: recovery) { results { pk } }",
        'flows(designation: "RECOVERY") { results { pk } }',
        "flows(ordering: [SLUG]) { results { pk } }",
        "flows(ordering: [null]) { results { pk } }",
        "flows(page: null) { results { pk } }",
        "flows(pageSize: 1.0) { results { pk } }",
        "flows(page: 2147483648) { results { pk } }",
        "flows(nope: 1) { results { pk } }",
        "flows { results { nope } }",
        "flows",
        "flow { pk }",
        "flow(slug: null) { pk }",
        "nope",
    ],
)
def test_invalid_documents(client: AppClient, field: str) -> None:
    """A document that is not valid is told so, and nothing of it is executed."""
    answer = client.graphql(f"{{ __typename {field} }}", SUPERUSER)
    assert (answer.status, list(answer.json)) == (200, ["errors"])
    assert {error["extensions"]["code"] for error in answer.json["errors"]} == {BAD_INPUT}


# Readers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "Authentication credentials were not provided."),
        ("", "Authentication credentials were not provided."),
        ("nope", "Token invalid/expired"),
        ("\xff", "Token invalid/expired"),
        *(
            (KEYS[name], "Token invalid/expired")
            for name in ("unknown", "expired", "inactive", "intent_recovery")
        ),
    ],
)
def test_nobody_is_told_to_log_in(client: AppClient, key: str | None, message: str) -> None:
    """No token, or a bad one, is 401 with the scheme to come back with."""
    answer = client.graphql("{ __typename }", key)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    extensions = {"code": "UNAUTHENTICATED"}
    assert answer.json == {"errors": [{"message": message, "extensions": extensions}]}


@pytest.mark.parametrize("kind", ["none", "no_groups", "dangling", "wrong_permission"])
def test_readers_of_nothing_are_refused(client: AppClient, kind: str) -> None:
    """Who is logged in and may see no flow is told so with 403."""
    answer = client.graphql("{ __typename }", KEYS[kind])
    assert (answer.status, "www-authenticate" in answer.headers) == (403, False)
    message = "You do not have permission to perform this action."
    assert answer.json == {"errors": [{"message": message, "extensions": {"code": "FORBIDDEN"}}]}


def test_internal_service_accounts_get_an_empty_page(client: AppClient) -> None:
    """An internal service account that may see nothing is not refused."""
    query = '{ flows { pagination { count } results { pk } } flow(slug: "a-flow") { pk } }'
    assert data(client.graphql(query, KEYS["internal_service_account_none"])) == {
        "flows": {"pagination": {"count": 0}, "results": []},
        "flow": None,
    }


@pytest.mark.parametrize("kind", READING_KEYS)
def test_readers_see_their_flows(client: AppClient, kind: str) -> None:
    """A reader sees the granted flows, and the count of just these."""
    roles = {
        "object_role": ("some flows", "more flows"),
        "object_role_by_group": ("few flows",),
        "object_role_by_ancestor": ("few flows",),
        "internal_service_account_object": ("more flows",),
    }.get(kind)
    seen = {flow_uuid(n) for role in roles or () for n in SEEN_BY_ROLE[role]}
    expected = slugs_where(lambda flow: roles is None or flow["flow_uuid"] in seen)
    query = "{ flows(pageSize: 100) { pagination { count } results { slug } } }"
    flows = data(client.graphql(query, KEYS[kind]))["flows"]
    assert flows["pagination"] == {"count": len(expected)}
    assert [flow["slug"] for flow in flows["results"]] == expected[:100]


def test_hidden_flows_are_as_missing_ones(client: AppClient) -> None:
    """A flow that the reader may not see is null, as one that is not there; a seen one is not."""
    query = '{ seen: flow(slug: "a-flow") { slug } hidden: flow(slug: "A-flow") { slug }'
    query += ' missing: flow(slug: "nope") { slug } odd: flow(slug: "ü /") { slug } }'
    assert data(client.graphql(query, KEYS["object_role_by_group"])) == {
        "seen": {"slug": "a-flow"},
        "hidden": None,
        "missing": None,
        "odd": None,
    }
