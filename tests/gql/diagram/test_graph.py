"""Tests of the graph of a diagram: its shape, and that it equals the Mermaid source and the SVG."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql.diagram import graph, mermaid, svg
from gql.diagram.flow import Diagram, build_diagram
from gql.diagram.text import replace_unreadable
from gql.http.negotiation import FLOW_GRAPH, JSON
from models.queries.bindings import PolicyBindingRow
from support.app_client import AppClient, bearer_headers
from support.diagrams import UNUSUAL_NAMES, make_binding, make_flow, make_policy, make_stage
from support.edge_case_data import KEYS, ROWS
from support.reference.requests import CURRENT, MOUNTS
from support.reference.responses import NOT_ACCEPTABLE
from support.server_process import RunningServer

SUPERUSER = KEYS["superuser"]
FLOWS = [str(row["slug"]) for row in ROWS["authentik_flows_flow"]]
NAMESPACE = "{http://www.w3.org/2000/svg}"

# The shape that authentik's clients require.
NODE_KEYS = [
    *("identifier", "type", "name", "verbose_name", "model", "pk", "component"),
    *("binding_model", "binding_pk", "binding_order"),
]
EDGE_KEYS = ["origin", "target", "type"]
NODE_TYPES = {
    *("flow-start", "pre-flow-policies", "authentication-requirement", "stage", "policy"),
    "flow-end",
}
EDGE_TYPES = {
    *("proceed", "binding", "policy-passed", "policy-denied"),
    *("requirement-fulfilled", "requirement-unfulfilled"),
}
TYPES_BY_LABEL = {
    "": "proceed",
    "passes": "policy-passed",
    "yes": "policy-passed",
    "fails": "policy-denied",
    "no": "policy-denied",
}
# The classes of groups in the SVG, and the delimiters of nodes in Mermaid.
TYPES_BY_CLASS = {
    "start": "flow-start",
    "stage": "stage",
    "decision": "policy",
    "end": "flow-end",
    "denied": "flow-end",
}
MERMAID_NODE = re.compile(r'n(\d+)[(\[{]+"(.*)"[)\]}]+')
MERMAID_EDGE = re.compile(r'n(\d+) -->(?:\|"(\w+)"\|)? n(\d+)')

NAMES = st.text(max_size=20) | st.sampled_from(UNUSUAL_NAMES)
FLAGS = st.booleans()
BINDINGS: st.SearchStrategy[PolicyBindingRow] = st.one_of(
    st.builds(make_policy, NAMES, negate=FLAGS, enabled=FLAGS),
    st.builds(make_binding, group=NAMES, negate=FLAGS, enabled=FLAGS),
    st.builds(make_binding, user=NAMES, negate=FLAGS, enabled=FLAGS),
    st.builds(make_binding, negate=FLAGS, enabled=FLAGS),
)
MODES = st.sampled_from(["all", "any", "newer"])


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    """Draw the diagram of a flow with up to five stages and three bindings on each target."""
    names = draw(st.lists(NAMES, max_size=5, unique=True))
    bindings = {name: draw(st.lists(BINDINGS, max_size=3)) for name in ("flow", *names)}
    return build_diagram(
        make_flow(draw(NAMES), draw(MODES)),
        [make_stage(name, mode=draw(MODES)) for name in names],
        bindings,
        may_hide_bindings=draw(FLAGS),
    )


def read_edges(rendered: Mapping[str, Any]) -> list[tuple[int, int, str]]:
    """Return the edges of a graph by the indexes of their nodes."""
    indexes = {node["identifier"]: index for index, node in enumerate(rendered["nodes"])}
    return [(indexes[e["origin"]], indexes[e["target"]], e["type"]) for e in rendered["edges"]]


@given(diagram=diagrams())
def test_graph_equals_mermaid(diagram: Diagram) -> None:
    """The graph and the Mermaid source have the same nodes, with the same texts, and edges."""
    rendered: Any = graph.build_document(diagram)
    lines = [line.strip() for line in mermaid.render(diagram).splitlines()[1:]]
    nodes = [match for line in lines if (match := MERMAID_NODE.fullmatch(line))]
    edges = [match for line in lines if (match := MERMAID_EDGE.fullmatch(line))]

    assert len(lines) == len(nodes) + len(edges)
    assert [match[1] for match in nodes] == list(map(str, range(len(rendered["nodes"]))))
    for match, node in zip(nodes, rendered["nodes"], strict=True):
        texts = match[2].split("<br/>")
        assert texts[0] == mermaid.escape(node["name"])
        assert not node["verbose_name"] or mermaid.escape(node["verbose_name"]) == texts[1]
    assert read_edges(rendered) == [
        (int(match[1]), int(match[3]), TYPES_BY_LABEL[match[2] or ""]) for match in edges
    ]


@given(diagram=diagrams())
def test_graph_equals_the_svg(diagram: Diagram) -> None:
    """The graph and the SVG have the same nodes, in the same order, and edges."""
    rendered: Any = graph.build_document(diagram)
    root = ET.fromstring(svg.render(diagram))  # noqa: S314 - trusted input
    groups = [element for element in root if element.tag == f"{NAMESPACE}g"]
    shown = [(TYPES_BY_CLASS[str(group.get("class"))], group[0].text) for group in groups]
    labels = [str(e.text) for e in root if str(e.get("class")).startswith("label ")]
    edges = [e for e in root if str(e.get("class")).startswith("edge ")]

    assert shown == [
        (node["type"], re.sub("\r\n?", "\n", replace_unreadable(node["name"])))
        for node in rendered["nodes"]
    ]
    assert len(edges) == len(rendered["edges"])
    assert [TYPES_BY_LABEL[label] for label in labels] == [
        edge["type"] for edge in rendered["edges"] if edge["type"] != "proceed"
    ]


@given(diagram=diagrams())
def test_graph_has_authentik_s_shape(diagram: Diagram) -> None:
    """Keys and types are authentik's. Identifiers are unique, and edges refer to them."""
    rendered: Any = graph.build_document(diagram)
    nodes, edges = rendered["nodes"], rendered["edges"]
    identifiers = [node["identifier"] for node in nodes]

    assert list(rendered) in (["nodes", "edges"], ["nodes", "edges", "notice"])
    assert all(list(node) == NODE_KEYS and node["type"] in NODE_TYPES for node in nodes)
    assert all(list(edge) == EDGE_KEYS and edge["type"] in EDGE_TYPES for edge in edges)
    for node in nodes:
        order = node.pop("binding_order")
        assert order is None or type(order) is int
        assert all(isinstance(value, str) for value in node.values())
    assert len(set(identifiers)) == len(identifiers)
    assert {edge[end] for edge in edges for end in ("origin", "target")} == set(identifiers)


def test_nodes_have_their_objects_and_bindings() -> None:
    """Nodes of stages, policies, groups and users refer to these and to their bindings."""
    bindings = {
        "flow": [make_policy("p"), make_binding(group="g", negate=True)],
        "s": [make_binding(user="u"), make_binding(), make_policy("q", None)],
    }
    rendered: Any = graph.build_document(
        build_diagram(make_flow("x"), [make_stage("s"), make_stage("t", None)], bindings)
    )
    policy_binding, stage_binding = (
        "authentik_policies.policybinding",
        "authentik_flows.flowstagebinding",
    )
    expression = "authentik_policies_expression.expressionpolicy"
    assert [tuple(node.values()) for node in rendered["nodes"]] == [
        ("flow_start", "flow-start", "x", "Authentication flow", *[""] * 5, None),
        *(
            (identifier, "policy", name, verbose_name, model, pk, "", policy_binding, binding, 0)
            for identifier, name, verbose_name, model, pk, binding in (
                ("flow_policy_0", "p", "Expression policy", expression, "p", "p"),
                ("flow_policy_1", "in group g", "Group", "authentik_core.group", "g", ""),
                ("stage_0_policy_0", "is u", "User", "authentik_core.user", "1", ""),
                ("stage_0_policy_1", "never passes", "Empty binding", "", "", ""),
                ("stage_0_policy_2", "q", "Policy", "", "q", "q"),
            )
        ),
        *(
            (identifier, "stage", name, verbose_name, model, name, "", stage_binding, name, 0)
            for identifier, name, verbose_name, model in (
                ("stage_0", "s", "Prompt", "authentik_stages_prompt.promptstage"),
                ("stage_1", "t", "", ""),
            )
        ),
        ("done", "flow-end", "End", "", *[""] * 5, None),
        ("denied", "flow-end", "Denied", "", *[""] * 5, None),
    ]
    # A negated binding leads on if the group's users do not match.
    assert [tuple(edge.values()) for edge in rendered["edges"]][1:5] == [
        ("flow_policy_0", "flow_policy_1", "policy-passed"),
        ("flow_policy_0", "denied", "policy-denied"),
        ("flow_policy_1", "stage_0_policy_0", "policy-denied"),
        ("flow_policy_1", "denied", "policy-passed"),
    ]


def test_hidden_bindings_have_a_notice() -> None:
    """Only a viewer who may not see all bindings gets the key, which authentik does not have."""
    graphs = [
        graph.build_document(build_diagram(make_flow(), [], {}, may_hide_bindings=value))
        for value in (False, True)
    ]
    assert [rendered.get("notice") for rendered in graphs] == [
        None,
        "Some bindings may be hidden",
    ]


# Over HTTP ----------------------------------------------------------------------------------------


FIELDS = """{
  nodes {
    id type label verboseName caption model pk bindingModel bindingPk bindingOrder __typename
  }
  edges { source target type label }
  notice
}"""


def to_rest(graph_: Mapping[str, Any]) -> Any:
    """Return the graph of GraphQL as REST returns it."""
    nodes = [
        {
            "identifier": node["id"].rpartition("/")[2],
            "type": node["type"].lower().replace("_", "-"),
            "name": node["label"],
            "verbose_name": node["verboseName"] or "",
            "model": node["model"] or "",
            "pk": node["pk"] or "",
            "component": "",
            "binding_model": node["bindingModel"] or "",
            "binding_pk": node["bindingPk"] or "",
            "binding_order": node["bindingOrder"],
        }
        for node in graph_["nodes"]
    ]
    edges = [
        {
            "origin": edge["source"].rpartition("/")[2],
            "target": edge["target"].rpartition("/")[2],
            "type": edge["type"].lower().replace("_", "-"),
        }
        for edge in graph_["edges"]
    ]
    return {"nodes": nodes, "edges": edges, "notice": graph_["notice"]}


@pytest.mark.parametrize("key", [SUPERUSER, KEYS["object_role"]])
def test_rest_and_graphql_return_the_same_graph(client: AppClient, key: str) -> None:
    """The flows have many bindings, or none."""
    query = f"{{ flows(pageSize: 20) {{ results {{ pk slug diagramGraph {FIELDS} }} }} }}"
    flows = client.graphql(query, key).json["data"]["flows"]["results"]
    for flow in flows:
        response = client.get(f"{CURRENT}{flow['slug']}/diagram/?format=graph", key)
        assert response.status == 200
        assert {"notice": None, **response.json} == to_rest(flow["diagramGraph"])
        ids = [node["id"] for node in flow["diagramGraph"]["nodes"]]
        assert all(id_.startswith(f"{flow['pk']}/") for id_ in ids)
    assert len(flows) > 3


@pytest.mark.parametrize("mount", MOUNTS)
def test_all_dialects_return_the_same_graph(sqlite_client: AppClient, mount: str) -> None:
    """The shape does not depend on the mount, and the default stays Mermaid."""
    expected = sqlite_client.get(f"{CURRENT}a-flow/diagram/?format=graph", SUPERUSER)
    response = sqlite_client.get(f"{mount}a-flow/diagram/?format=graph", SUPERUSER)

    assert response.json == expected.json
    assert list(sqlite_client.get(f"{mount}a-flow/diagram/", SUPERUSER).json) == ["diagram"]


@pytest.mark.parametrize(
    ("accept", "parameters", "expected"),
    [
        (None, "format=graph", JSON),
        ("*/*", "format=graph", JSON),
        (JSON, "format=graph", JSON),
        (FLOW_GRAPH, "format=graph", FLOW_GRAPH),
        (f"{JSON};q=0.5, {FLOW_GRAPH}", "format=graph", FLOW_GRAPH),
        (FLOW_GRAPH, "", FLOW_GRAPH),
        (f"{FLOW_GRAPH}, */*;q=0.1", "", FLOW_GRAPH),
        (f"{JSON};q=0.5, {FLOW_GRAPH}", "", FLOW_GRAPH),
        ("text/html", "format=graph", None),
        ("image/svg+xml", "format=graph", None),
        (FLOW_GRAPH, "format=json", None),
        (FLOW_GRAPH, "format=svg", None),
    ],
)
def test_content_negotiation(
    sqlite_client: AppClient, accept: str | None, parameters: str, expected: str | None
) -> None:
    """`format=graph` and the media type select the graph; the status is 406 if neither fits."""
    headers = bearer_headers(SUPERUSER) | ({} if accept is None else {"accept": accept})
    response = sqlite_client.request("GET", f"{CURRENT}a-flow/diagram/?{parameters}", headers)
    if expected is None:
        assert (response.status, response.json) == (406, NOT_ACCEPTABLE)
    else:
        assert (response.status, response.headers["content-type"]) == (200, expected)
        assert list(response.json) == ["nodes", "edges"]
        assert response.headers["vary"] == "Authorization, Accept"


def test_graph_of_a_sample_flow(sample_url: str, sample_server: RunningServer) -> None:
    """The flow is authentik's default login. Nodes and edges are those of its Mermaid source."""
    with AppClient(sample_url) as client:
        path = f"{CURRENT}default-authentication-flow/diagram/?format=graph"
        rendered = client.get(path, sample_server.token).json
    names: Sequence[tuple[str, str, str]] = [
        (node["identifier"], node["name"], node["model"]) for node in rendered["nodes"]
    ]
    policy, stages = "authentik_policies_expression.expressionpolicy", "authentik_stages"
    name = "default-authentication"
    assert names == [
        ("flow_start", "Welcome to authentik!", ""),
        ("stage_0", f"{name}-identification", f"{stages}_identification.identificationstage"),
        ("stage_1_policy_0", f"{name}-flow-password-stage", policy),
        ("stage_1", f"{name}-password", f"{stages}_password.passwordstage"),
        (
            "stage_2",
            f"{name}-mfa-validation",
            f"{stages}_authenticator_validate.authenticatorvalidatestage",
        ),
        ("stage_3", f"{name}-login", f"{stages}_user_login.userloginstage"),
        ("done", "End", ""),
    ]
    assert [tuple(edge.values()) for edge in rendered["edges"]] == [
        ("flow_start", "stage_0", "proceed"),
        ("stage_0", "stage_1_policy_0", "proceed"),
        ("stage_1_policy_0", "stage_1", "policy-passed"),
        ("stage_1_policy_0", "stage_2", "policy-denied"),
        ("stage_1", "stage_2", "proceed"),
        ("stage_2", "stage_3", "proceed"),
        ("stage_3", "done", "proceed"),
    ]


def test_ids_are_unique_among_flows(client: AppClient) -> None:
    """Clients that cache objects by `id` do not mix up the nodes of different flows."""
    query = "{ flows(pageSize: 50) { results { diagramGraph { nodes { id } } } } }"
    flows = client.graphql(query, SUPERUSER).json["data"]["flows"]["results"]
    ids = [node["id"] for flow in flows for node in flow["diagramGraph"]["nodes"]]

    assert len(set(ids)) == len(ids) > 100
    node = f'{{ node(id: "{ids[0]}") {{ id }} }}'
    assert client.graphql(node, SUPERUSER).json["data"] == {"node": None}
