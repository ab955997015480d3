"""Arguments, fields, errors and access of the root fields `flows` and `flow`."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from graphql import build_schema

from support.app_client import AppClient
from support.edge_case_data import (
    AUTHORIZED_KEYS,
    FLOW_COUNT,
    KEYS,
    ROWS,
    VISIBLE_FLOWS_BY_ROLE,
    flow_uuid,
    identifier,
)
from support.expected_graph import MODES, data_of
from support.graphql_from_rest import (
    EVERY_FLOW_FIELD,
    EVERY_PAGINATION_FIELD,
    graphql_flow,
    graphql_pagination,
    unknown_enum_paths,
)
from support.paths import SCHEMA
from support.schema_fields import is_non_null, type_of

FLOWS = ROWS["authentik_flows_flow"]
SLUGS = sorted(str(flow["slug"]) for flow in FLOWS)
SUPERUSER = KEYS["superuser"]
UNKNOWN = "UNKNOWN_ENUM_VALUE"
BAD_INPUT = "BAD_USER_INPUT"

Row = Mapping[str, Any]

# Arguments of `flows`, with the flows that match or the sort key.
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


def list_slugs(client: AppClient, arguments: str, key: str = SUPERUSER) -> list[str]:
    """Return the slugs on the page of flows with these arguments."""
    flows = data_of(client.graphql(f"{{ flows{arguments} {{ results {{ slug }} }} }}", key))[
        "flows"
    ]
    return [flow["slug"] for flow in flows["results"]]


def expected_slugs(condition: Callable[[Row], bool]) -> list[str]:
    """Return the sorted slugs of the stored flows that match a condition."""
    return sorted(str(flow["slug"]) for flow in FLOWS if condition(flow))


# Arguments ----------------------------------------------------------------------------------------


def test_page(client: AppClient) -> None:
    """By default, a page has the first 20 flows by slug."""
    query = f"{{ flows {{ pagination {{ {EVERY_PAGINATION_FIELD} }} results {{ slug }} }} }}"
    assert data_of(client.graphql(query, SUPERUSER)) == {
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
    """A page contains the flows at its position."""
    start = (page - 1) * size
    expected = SLUGS[start : start + size]
    assert expected == list_slugs(client, f"(page: {page}, pageSize: {size})")


@pytest.mark.parametrize(("argument", "condition"), FILTERS)
def test_filter(client: AppClient, argument: str, condition: Callable[[Row], bool]) -> None:
    """Filters compare untrimmed values; all of them must match."""
    assert expected_slugs(condition) == list_slugs(client, f"({argument}, pageSize: 100)")


@pytest.mark.parametrize(
    "argument",
    ["designation", "search", "ordering", "deniedAction", "name", "slug", "pk"],
)
def test_null_arguments_are_ignored(client: AppClient, argument: str) -> None:
    """A null argument is equivalent to an omitted one."""
    assert SLUGS[:20] == list_slugs(client, f"({argument}: null)")


@pytest.mark.parametrize("search", ["", " ", ",", '\\"\\"', " , "])
def test_empty_searches_are_ignored(client: AppClient, search: str) -> None:
    """A search without terms, or for an empty phrase, matches every flow."""
    assert SLUGS[:20] == list_slugs(client, f'(search: "{search}")')


@pytest.mark.parametrize(("ordering", "key"), ORDERINGS)
def test_ordering(client: AppClient, ordering: str, key: Callable[[Row], Any]) -> None:
    """Flows are sorted by code points of the stored values, then by slug."""
    expected = [flow["slug"] for flow in sorted(FLOWS, key=key)]
    assert expected[:100] == list_slugs(client, f"(ordering: {ordering}, pageSize: 100)")


@pytest.mark.parametrize("name", ["SLUG", "PK"])
def test_descending_ordering(client: AppClient, name: str) -> None:
    """Without ties, the descending order is the reverse of the ascending one."""
    column = {"SLUG": "slug", "PK": "flow_uuid"}[name]
    expected = [
        flow["slug"] for flow in sorted(FLOWS, key=lambda row: str(row[column]), reverse=True)
    ]
    assert expected[:100] == list_slugs(client, f"(ordering: {name}_DESC, pageSize: 100)")


# Fields -------------------------------------------------------------------------------------------


def test_all_fields_equal_rest(client: AppClient) -> None:
    """All fields of all flows, and the pagination, equal the REST response."""
    for page in (1, 2):
        rest = client.get(f"/api/v3/flows/instances/?page_size=100&page={page}", SUPERUSER).json
        query = (
            f"{{ flows(pageSize: 100, page: {page})"
            f" {{ pagination {{ {EVERY_PAGINATION_FIELD} }} results {{ {EVERY_FLOW_FIELD} }} }} }}"
        )
        body = client.graphql(query, SUPERUSER).json
        assert body["data"]["flows"] == {
            "pagination": graphql_pagination(rest["pagination"]),
            "results": [graphql_flow(flow) for flow in rest["results"]],
        }
        assert [error["path"] for error in body["errors"]] == [
            path
            for number, flow in enumerate(rest["results"])
            for path in unknown_enum_paths(flow, "flows", "results", number)
        ]


def test_fields_of_a_flow(client: AppClient) -> None:
    """Enum values are in upper case, URLs are complete, and stages and policies are in order."""
    assert data_of(client.graphql(_flow_query("a-flow"), SUPERUSER))["flow"] == {
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
    """The count contains the plans of the flow only, including expired ones."""
    query = f'{{ flows(pk: "{flow_uuid(number)}") {{ results {{ cacheCount }} }} }}'
    assert data_of(client.graphql(query, SUPERUSER))["flows"]["results"] == [{"cacheCount": plans}]


def _flow_query(slug: str) -> str:
    return f"{{ flow(slug: {json.dumps(slug)}) {{ {EVERY_FLOW_FIELD} }} }}"


def test_flow_equals_rest(client: AppClient) -> None:
    """`flow` returns the same values as the REST endpoint of the flow."""
    for slug in SLUGS[::9]:
        rest = client.get(f"/api/v3/flows/instances/{slug}/", SUPERUSER).json
        body = client.graphql(_flow_query(slug), SUPERUSER).json
        assert body["data"] == {"flow": graphql_flow(rest)}
        paths = [error["path"] for error in body.get("errors", [])]
        assert paths == unknown_enum_paths(rest, "flow")


def test_unknown_enum_values_are_null(client: AppClient) -> None:
    """An unknown value is null with an error; other rows are not affected."""
    query = "{ flows(pageSize: 100) { results { slug designation layout } } }"
    body = client.graphql(query, SUPERUSER).json
    flows = {flow["slug"]: flow for flow in body["data"]["flows"]["results"]}
    slug = str(FLOWS[5]["slug"])
    assert flows[slug] == {"slug": slug, "designation": None, "layout": "CONTENT_LEFT"}
    assert flows["a-flow"] == {
        "slug": "a-flow",
        "designation": "RECOVERY",
        "layout": "SIDEBAR_LEFT",
    }
    number = list(flows).index(slug)
    [error] = [error for error in body["errors"] if error["path"][2] == number]
    assert error["path"] == ["flows", "results", number, "designation"]
    assert error["extensions"] == {"code": UNKNOWN}
    assert error["message"] == (
        "The database contains an unknown FlowDesignation value: 'device_code'."
    )


def test_errors_are_sorted_by_path(client: AppClient) -> None:
    """Errors are sorted by path, regardless of the order of execution."""
    page = 'flows(search: "flow", pageSize: 100) { results { stages policies cacheCount layout } }'
    flow = f'flow(slug: "{FLOWS[29]["slug"]}") {{ layout designation }}'
    body = client.graphql(f"{{ a: {page} b: {flow} c: {page} d: {flow} }}", SUPERUSER).json
    paths = [error["path"] for error in body["errors"]]
    assert paths == sorted(paths)
    assert {path[0] for path in paths} == {"a", "b", "c", "d"}


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("flows(page: 0)", "Page 0 does not exist. The last page is 8."),
        ("flows(page: -1)", "Page -1 does not exist. The last page is 8."),
        ("flows(page: 9)", "Page 9 does not exist. The last page is 8."),
        ('flows(slug: "", page: 2)', "Page 2 does not exist. The only page is 1."),
        ("flows(pageSize: 0)", "'pageSize' must be between 1 and 100, not 0."),
        ("flows(pageSize: -1)", "'pageSize' must be between 1 and 100, not -1."),
        ("flows(pageSize: 101)", "'pageSize' must be between 1 and 100, not 101."),
        *(
            (f'flows({name}: "a\\u0000b")', f"'{name}' must not contain NUL characters.")
            for name in ("search", "name", "slug")
        ),
    ],
)
def test_invalid_arguments(client: AppClient, field: str, message: str) -> None:
    """An invalid argument is an error with a code and a path; other fields are resolved."""
    sibling = 'flow(slug: "a-flow") { slug }'
    response = client.graphql(f"{{ {field} {{ results {{ pk }} }} {sibling} }}", SUPERUSER)
    [error] = response.json["errors"]
    expected = {"flows": None, "flow": {"slug": "a-flow"}}
    assert (response.status, response.json["data"], error["path"]) == (200, expected, ["flows"])
    assert error["extensions"] == {"code": BAD_INPUT}
    assert error["message"] == message


def test_several_invalid_pages(client: AppClient) -> None:
    """Each invalid field has an error, in order of their paths."""
    query = "{ b: flows(page: 0) { results { pk } } a: flows(pageSize: 0) { results { pk } } }"
    body = client.graphql(query, SUPERUSER).json
    assert body["data"] == {"b": None, "a": None}
    assert [error["path"] for error in body["errors"]] == [["a"], ["b"]]


def test_root_fields_are_nullable() -> None:
    """A root field that fails never removes the other root fields from the response."""
    query = build_schema(SCHEMA.read_text()).query_type
    assert query
    assert [name for name, field in query.fields.items() if is_non_null(type_of(field))] == []


def test_nul_in_the_slug_of_a_flow(client: AppClient) -> None:
    """A NUL is an error of the nullable field `flow`; other fields are resolved."""
    body = client.graphql('{ __typename flow(slug: "\\u0000") { pk } }', SUPERUSER).json
    assert body["data"] == {"__typename": "Query", "flow": None}
    assert [error["extensions"]["code"] for error in body["errors"]] == [BAD_INPUT]


@pytest.mark.parametrize("pk", ['"nope"', '""', "1", "[]", "{}", "true", '"\\u0000"'])
def test_malformed_uuids(client: AppClient, pk: str) -> None:
    """An invalid UUID, as a literal or a variable, is an error, and nothing is executed."""
    literal = client.graphql(f"{{ flows(pk: {pk}) {{ results {{ pk }} }} }}", SUPERUSER)
    query = "query ($pk: UUID) { flows(pk: $pk) { results { pk } } }"
    variable = client.graphql(query, SUPERUSER, {"pk": json.loads(pk)})
    for response in (literal, variable):
        assert (response.status, list(response.json)) == (200, ["errors"])
        assert [error["extensions"] for error in response.json["errors"]] == [{"code": BAD_INPUT}]


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
    """An invalid document is an error, and nothing is executed."""
    response = client.graphql(f"{{ __typename {field} }}", SUPERUSER)
    assert (response.status, list(response.json)) == (200, ["errors"])
    assert {error["extensions"]["code"] for error in response.json["errors"]} == {BAD_INPUT}


# Access -------------------------------------------------------------------------------------------


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
def test_unauthenticated_requests(client: AppClient, key: str | None, message: str) -> None:
    """Without a valid token the response is 401 with an authentication scheme."""
    response = client.graphql("{ __typename }", key)
    assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
    extensions = {"code": "UNAUTHENTICATED"}
    assert response.json == {"errors": [{"message": message, "extensions": extensions}]}


@pytest.mark.parametrize("kind", ["none", "no_groups", "dangling", "wrong_permission"])
def test_viewers_without_permissions_are_forbidden(client: AppClient, kind: str) -> None:
    """The response is 403 if the viewer may see no flow."""
    response = client.graphql("{ __typename }", KEYS[kind])
    assert (response.status, "www-authenticate" in response.headers) == (403, False)
    message = "You do not have permission to perform this action."
    assert response.json == {"errors": [{"message": message, "extensions": {"code": "FORBIDDEN"}}]}


def test_internal_service_accounts_get_an_empty_page(client: AppClient) -> None:
    """An internal service account without permissions is not forbidden."""
    query = '{ flows { pagination { count } results { pk } } flow(slug: "a-flow") { pk } }'
    assert data_of(client.graphql(query, KEYS["internal_service_account_none"])) == {
        "flows": {"pagination": {"count": 0}, "results": []},
        "flow": None,
    }


@pytest.mark.parametrize("kind", AUTHORIZED_KEYS)
def test_viewers_see_their_flows(client: AppClient, kind: str) -> None:
    """The results and the count contain only the flows that the viewer may see."""
    roles = {
        "object_role": ("some flows", "more flows"),
        "object_role_by_group": ("few flows",),
        "object_role_by_ancestor": ("few flows",),
        "internal_service_account_object": ("more flows",),
    }.get(kind)
    visible = {flow_uuid(n) for role in roles or () for n in VISIBLE_FLOWS_BY_ROLE[role]}
    expected = expected_slugs(lambda flow: roles is None or flow["flow_uuid"] in visible)
    query = "{ flows(pageSize: 100) { pagination { count } results { slug } } }"
    flows = data_of(client.graphql(query, KEYS[kind]))["flows"]
    assert flows["pagination"] == {"count": len(expected)}
    assert [flow["slug"] for flow in flows["results"]] == expected[:100]


def test_hidden_flows_are_null(client: AppClient) -> None:
    """A flow that the viewer may not see is null, like a missing one."""
    query = '{ visible: flow(slug: "a-flow") { slug } hidden: flow(slug: "A-flow") { slug }'
    query += ' missing: flow(slug: "nope") { slug } special: flow(slug: "ü /") { slug } }'
    assert data_of(client.graphql(query, KEYS["object_role_by_group"])) == {
        "visible": {"slug": "a-flow"},
        "hidden": None,
        "missing": None,
        "special": None,
    }
