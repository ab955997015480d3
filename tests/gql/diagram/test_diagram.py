"""Diagrams of flows: their content, Mermaid source, SVG and text alternative."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql.diagram import alt_text, labels, mermaid, svg
from gql.diagram.flow import Diagram, NodeKind, build_diagram
from gql.diagram.layout import lay_out
from gql.diagram.style import DARK, LIGHT, Palette
from gql.diagram.text import replace_unreadable
from gql.http.negotiation import FLOW_GRAPH, JSON, SVG
from models.queries.bindings import PolicyBindingRow
from support.app_client import AppClient, bearer_headers
from support.blueprints import BlueprintDatabase
from support.diagrams import PK, UNUSUAL_NAMES, make_binding, make_flow, make_policy, make_stage
from support.edge_case_data import KEYS, ROWS, VISIBLE_FLOWS_BY_ROLE
from support.reference.requests import CURRENT, MOUNTS

SUPERUSER = KEYS["superuser"]
NOT_ACCEPTABLE = {"detail": "Could not satisfy the request Accept header."}
NO_FLOW = {"detail": "No Flow matches the given query."}
NAMESPACE = "{http://www.w3.org/2000/svg}"
FLOWS = [str(row["slug"]) for row in ROWS["authentik_flows_flow"]]


def render_lines(diagram: Diagram) -> str:
    """Return the Mermaid source without its first line and without indentation."""
    first, *lines = mermaid.render(diagram).splitlines()
    assert first == "flowchart TD"
    return "\n".join(line.strip() for line in lines)


def clean(text: str) -> str:
    """Remove the indentation of a string literal."""
    return dedent(text).strip()


# Content ------------------------------------------------------------------------------------------


def test_stages_are_in_order() -> None:
    """A stage has its type, and its action on an invalid response unless that is a retry."""
    stages = [
        make_stage("ask", action="restart"),
        make_stage("password", "authentik_stages_password.passwordstage", action="later"),
        make_stage("unknown", None),
    ]
    enrollment = make_flow(designation="enrollment", authentication="require_superuser")
    assert render_lines(build_diagram(enrollment, stages, {})) == clean(
        """
        n0(["Welcome!<br/>Enrollment flow<br/>Requires a superuser"])
        n1["ask<br/>Prompt<br/>On an invalid response, restarts the flow"]
        n2["password<br/>Password<br/>On an invalid response#58; later"]
        n3["unknown"]
        n4(["End"])
        n0 --> n1
        n1 --> n2
        n2 --> n3
        n3 --> n4
        """
    ).replace("Welcome!", "Welcome#33;")


def test_flow_without_stages() -> None:
    """The diagram has a start and an end. Without a title, the start shows the name."""
    diagram = build_diagram(make_flow(" ", name="Nothing", designation="new"), [], {})
    assert render_lines(diagram) == 'n0(["Nothing<br/>new"])\nn1(["End"])\nn0 --> n1'


BINDINGS = [make_policy("a"), make_binding(group="b"), make_binding(user="c")]
DECISIONS = """
n1{{"a<br/>Expression policy"}}
n2{{"in group b<br/>Group"}}
n3{{"is c<br/>User"}}
"""


def test_all_decisions_must_pass_before_a_stage() -> None:
    """A decision that fails leads past the stage."""
    diagram = build_diagram(make_flow("x"), [make_stage("s", mode="all")], {"s": BINDINGS})
    assert render_lines(diagram) == clean(
        f"""n0(["x<br/>Authentication flow"]){DECISIONS}n4["s<br/>Prompt"]
n5(["End"])
n0 --> n1
n1 -->|"passes"| n2
n1 -->|"fails"| n5
n2 -->|"yes"| n3
n2 -->|"no"| n5
n3 -->|"yes"| n4
n3 -->|"no"| n5
n4 --> n5"""
    )


def test_one_decision_must_pass_before_a_stage() -> None:
    """A decision that passes leads to the stage. If the last one fails, it leads past the stage."""
    stages = [make_stage("s", mode="any"), make_stage("t")]
    diagram = build_diagram(make_flow("x"), stages, {"s": BINDINGS})
    assert render_lines(diagram) == clean(
        f"""n0(["x<br/>Authentication flow"]){DECISIONS}n4["s<br/>Prompt"]
n5["t<br/>Prompt"]
n6(["End"])
n0 --> n1
n1 -->|"fails"| n2
n1 -->|"passes"| n4
n2 -->|"no"| n3
n2 -->|"yes"| n4
n3 -->|"yes"| n4
n3 -->|"no"| n5
n4 --> n5
n5 --> n6"""
    )


@pytest.mark.parametrize(
    ("mode", "edges"),
    [
        ("all", [(1, 2, "passes"), (1, 6, "fails"), (2, 3, "no"), (2, 6, "yes")]),
        ("any", [(1, 2, "fails"), (1, 3, "passes"), (2, 3, "no"), (2, 6, "yes")]),
        ("newer", [(1, 2, "passes"), (1, 6, "fails"), (2, 3, "no"), (2, 6, "yes")]),
    ],
)
def test_decisions_of_the_flow_lead_to_denied(mode: str, edges: Sequence[Any]) -> None:
    """The denied node is last and shows the denied action. A negated binding swaps its labels."""
    bindings = {
        "flow": [make_policy("a"), make_binding(user="b", negate=True)],
        "s": [make_policy("c", None)],
    }
    diagram = build_diagram(make_flow("x", mode), [make_stage("s")], bindings)
    assert [(edge.source, edge.target, edge.label) for edge in diagram.edges] == [
        (0, 1, ""),
        *edges,
        (3, 4, "passes"),
        (3, 5, "fails"),
        (4, 5, ""),
    ]
    assert render_lines(diagram).splitlines()[3:7] == [
        'n3{{"c<br/>Policy"}}',
        'n4["s<br/>Prompt"]',
        'n5(["End"])',
        'n6(["Denied<br/>Shows a message"])',
    ]


def test_disabled_and_empty_bindings() -> None:
    """Disabled bindings are left out. An empty one is included, because it never passes."""
    disabled = [make_policy("a", enabled=False), make_binding(group="b", enabled=False)]
    assert build_diagram(
        make_flow(), [make_stage("s")], {"flow": disabled, "s": disabled}
    ) == build_diagram(make_flow(), [make_stage("s")], {})
    bindings = {"s": [make_binding()]}
    assert 'n1{{"never passes<br/>Empty binding"}}' in render_lines(
        build_diagram(make_flow(), [make_stage("s")], bindings)
    )


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("authentik_stages_user_login.userloginstage", "User login"),
        ("authentik_stages_authenticator_totp.authenticatortotpstage", "TOTP authenticator setup"),
        ("authentik_policies_event_matcher.eventmatcherpolicy", "Event matcher"),
        ("authentik_policies_geoip.geoippolicy", "GeoIP"),
        ("their_app.specialstage", "Special"),
        ("stage", "Stage"),
        ("", ""),
        (None, ""),
    ],
)
def test_types_have_labels(model: str | None, label: str) -> None:
    """Labels derive from the name of authentik's Django app, or else of the model."""
    assert labels.format_type(model) == label


def test_hidden_bindings_have_a_notice() -> None:
    """The start node of the SVG, its text alternative and the Mermaid source say so."""
    flow = make_flow("Welcome", authentication="require_outpost")
    diagram = build_diagram(flow, [], {}, may_hide_bindings=True)
    notice = "Some bindings may be hidden"
    assert mermaid.render(diagram).splitlines()[1] == (
        f'    n0(["Welcome<br/>Authentication flow<br/>Requires an outpost<br/>{notice}"])'
    )
    assert f"Requires an outpost. {notice}." in alt_text.describe(diagram)
    assert re.search(rf'class="note notice"[^>]*>{notice}</text>', svg.render(diagram))


def test_text_alternative() -> None:
    """The text alternative lists the nodes in order, and the target of each decision's outcomes."""
    bindings = {"flow": [make_policy("a")], "two": [make_binding(group="b")]}
    assert alt_text.describe(
        build_diagram(make_flow(), [make_stage("one"), make_stage("two")], bindings)
    ) == clean(
        """
        Start: Welcome! (Authentication flow).
        Decision: a (Expression policy). Passes: Stage 1: one. Fails: Denied.
        Stage 1: one (Prompt).
        Decision: in group b (Group). Yes: Stage 2: two. No: End.
        Stage 2: two (Prompt).
        End.
        Denied. Shows a message.
        """
    )


# SVG ----------------------------------------------------------------------------------------------


def build_named_diagram(name: str) -> Diagram:
    """Build a diagram with edges of all kinds, in which all objects have this name."""
    decisions: Sequence[PolicyBindingRow] = [
        make_policy(name),
        make_binding(group=name),
        make_binding(user=name, negate=True),
    ]
    bindings = {"flow": decisions, name: decisions}
    return build_diagram(
        make_flow(name, "any"), [make_stage(name, mode="any"), make_stage("last")], bindings
    )


def parse_svg(diagram: Diagram) -> ET.Element:
    """Render the SVG and parse it."""
    return ET.fromstring(svg.render(diagram))  # noqa: S314 - trusted input


def read_texts(root: ET.Element, tag: str) -> list[str]:
    """Return the texts of all elements with this tag."""
    return [element.text or "" for element in root.iter(NAMESPACE + tag)]


def test_svg_has_a_text_alternative() -> None:
    """The SVG has a title and a description, whose ids are unique per flow."""
    diagram = build_named_diagram("x")
    root = parse_svg(diagram)
    assert root.get("role") == "img"
    title, description = str(root.get("aria-labelledby")).split()
    texts = {element.get("id"): element.text for element in root if element.get("id")}
    assert texts == {title: "x", description: alt_text.describe(diagram)}
    assert title.endswith(PK)
    assert description.endswith(PK)


def is_harmless(root: ET.Element) -> bool:
    """Return whether the SVG contains only shapes and texts, styled by classes."""
    tags = {element.tag.removeprefix(NAMESPACE) for element in root.iter()}
    attributes = {name for element in root.iter() for name in element.attrib}
    shapes = {"svg", "title", "desc", "style", "rect", "path", "g", "text", "circle"}
    numbers = {"x", "y", "cx", "cy", "r", "rx", "d", "width", "height", "viewBox"}
    return tags <= shapes and attributes <= numbers | {"class", "id", "role", "aria-labelledby"}


@pytest.mark.parametrize("name", UNUSUAL_NAMES)
def test_names_are_escaped_in_svg(name: str) -> None:
    """With any name, the SVG is well-formed and has no additional elements."""
    root = parse_svg(build_named_diagram(name))
    assert is_harmless(root)
    assert len(list(root.iter(NAMESPACE + "g"))) == 11
    assert read_texts(root, "style") == [svg.STYLE]


@given(name=st.text(st.characters(codec=None) | st.characters(categories=["Cs", "Cc", "Mn"])))
def test_titles_have_full_names(name: str) -> None:
    """Only unreadable characters are replaced."""
    root = parse_svg(build_named_diagram(name))
    assert is_harmless(root)
    readable = re.sub("\r\n?", "\n", replace_unreadable(name)) if name.strip() else "(no name)"
    assert read_texts(root, "title")[:3] == [readable] * 3


@given(name=st.text(max_size=30))
def test_short_names_are_shown_in_full(name: str) -> None:
    """Line breaks drop no characters except whitespace."""
    root = parse_svg(build_diagram(make_flow(), [make_stage(name, None)], {}))
    shown = "".join(read_texts(root.findall(f"{NAMESPACE}g[@class='stage']")[0], "text")[:-1])
    whole = replace_unreadable(name) if name.strip() else "(no name)"
    assert "".join(shown.split()) == "".join(whole.split()) or _has_many_marks(name)


def _has_many_marks(name: str) -> bool:
    """Return whether the name may have more marks on a letter than are shown."""
    return bool(re.search(r"[^\w\s]{6}", name))


def test_marks_stay_with_their_letter() -> None:
    """Lines never break between a letter and its marks, and at most six marks are shown."""
    accented, stacked = "e\u0301" * 60, "a" + "\u0301" * 300
    root = parse_svg(
        build_diagram(make_flow(), [make_stage(accented, None), make_stage(stacked, None)], {})
    )
    first, second = root.findall(f"{NAMESPACE}g[@class='stage']")
    shown = read_texts(first, "text")[:-1]

    assert len(shown) > 1
    assert not [line for line in shown if line[0] == "\u0301"]
    assert max(line.count("\u0301") for line in read_texts(second, "text")) <= 7


def test_long_names_end_in_an_ellipsis() -> None:
    """Long names are shown in at most three lines, which break at the ends of words."""
    root = parse_svg(
        build_diagram(make_flow(), [make_stage("a-long-name of a stage " * 30, None)], {})
    )
    *shown, number = read_texts(root.findall(f"{NAMESPACE}g[@class='stage']")[0], "text")
    assert (len(shown), number) == (3, "1")
    assert [line[-1] for line in shown] == ["-", "a", "…"]


@pytest.mark.parametrize("name", ["x", "a long name, shown in several lines " * 9])
def test_nodes_do_not_overlap(name: str) -> None:
    """All nodes are inside of the diagram and apart from each other."""
    layout = lay_out(build_named_diagram(name))
    for number, box in enumerate(layout.boxes):
        assert box.left > 0
        assert 0 < box.top < box.bottom < layout.height
        assert box.right < layout.width
        for other in layout.boxes[:number]:
            is_beside = box.left > other.right
            assert is_beside or box.top > other.bottom


def test_ten_thousand_bindings() -> None:
    """The SVG grows linearly with the flow."""
    stages = [make_stage(str(number), mode="any") for number in range(2500)]
    bindings = {str(number): [make_policy("a"), make_policy("b")] for number in range(2500)}
    bindings["flow"] = [make_policy("c")] * 2500
    text = svg.render(build_diagram(make_flow(), stages, bindings))
    assert [text.count(f'class="{kind}"') for kind in ("stage", "decision")] == [2500, 7500]
    assert len(text) < 10_000 * 1200


def test_style_source_is_the_hash_of_the_style() -> None:
    """STYLE_SOURCE allows the only style element of a diagram in a Content-Security-Policy."""
    digest = hashlib.sha256(svg.STYLE.encode()).digest()
    assert f"'sha256-{base64.b64encode(digest).decode()}'" == svg.STYLE_SOURCE
    assert f"<style>{svg.STYLE}</style>" in svg.render(build_named_diagram("x"))


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_contrast(palette: Palette) -> None:
    """The contrast of text is at least 4.5 to 1, and that of lines at least 2.5 to 1."""
    pairs = [
        (palette.label, palette.background),
        (palette.background, palette.nodes[NodeKind.STAGE].outline),
        *((colors.name, colors.background) for colors in palette.nodes.values()),
        *((colors.caption, colors.background) for colors in palette.nodes.values()),
    ]
    assert min(compute_contrast(*pair) for pair in pairs) >= 4.5
    outlines = [colors.outline for colors in palette.nodes.values()]
    lines = [palette.edge, palette.denied, *outlines]
    assert min(compute_contrast(color, palette.background) for color in lines) >= 2.5


def compute_contrast(color: str, other: str) -> float:
    """Compute the contrast ratio of two colors as defined by the WCAG."""
    darker, lighter = sorted(map(compute_luminance, (color, other)))
    return (lighter + 0.05) / (darker + 0.05)


def compute_luminance(color: str) -> float:
    """Compute the relative luminance of a color such as #ffffff, from 0 to 1."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


# Over HTTP ----------------------------------------------------------------------------------------


SAMPLE = """\
flowchart TD
    n0(["Welcome to authentik#33;<br/>Authentication flow"])
    n1["default-authentication-identification<br/>Identification"]
    n2{{"default-authentication-flow-password-stage<br/>Expression policy"}}
    n3["default-authentication-password<br/>Password"]
    n4["default-authentication-mfa-validation<br/>Authenticator validation"]
    n5["default-authentication-login<br/>User login"]
    n6(["End"])
    n0 --> n1
    n1 --> n2
    n2 -->|"passes"| n3
    n2 -->|"fails"| n4
    n3 --> n4
    n4 --> n5
    n5 --> n6
"""


def test_mermaid_source_of_a_sample_flow(sample_url: str) -> None:
    """The flow is authentik's default login."""
    key = BlueprintDatabase(sample_url).create_superuser_token()
    with AppClient(sample_url) as client:
        response = client.get(f"{CURRENT}default-authentication-flow/diagram/", key)
    assert response.json["diagram"] == SAMPLE


@pytest.mark.parametrize("mount", MOUNTS)
def test_rest_and_graphql_return_the_same_source(client: AppClient, mount: str) -> None:
    """The flows have many bindings, or none."""
    for slug in FLOWS[:9]:
        result = client.graphql(f'{{ flow(slug: "{slug}") {{ diagram }} }}', SUPERUSER).json
        response = client.get(f"{mount}{slug}/diagram/", SUPERUSER)
        assert (response.status, response.headers["content-type"]) == (200, JSON)
        assert response.json == result["data"]["flow"]


def test_all_flows_have_an_svg(client: AppClient) -> None:
    """The flows include edge cases."""
    for slug in FLOWS[::5]:
        response = client.get(f"{CURRENT}{slug}/diagram/?format=svg", SUPERUSER)
        assert is_harmless(ET.fromstring(response.body))  # noqa: S314 - trusted input


@pytest.mark.parametrize(
    ("accept", "parameters", "expected"),
    [
        (None, "", JSON),
        ("*/*", "", JSON),
        (JSON, "", JSON),
        (SVG, "", SVG),
        ("image/*", "", SVG),
        ("application/*", "", JSON),
        (f"{JSON}, {SVG}", "", JSON),
        (f"{SVG}, {JSON}", "", JSON),
        (f"{SVG}, */*", "", SVG),
        (f"{SVG};q=0.5, */*", "", JSON),
        (f"{SVG};q=0.5, */*;q=0.5", "", SVG),
        (f"{JSON};q=0.4, {SVG};q=0.5", "", SVG),
        (f"{JSON};q=0, */*", "", SVG),
        ("image/avif,image/svg+xml,image/*,*/*;q=0.8", "", SVG),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", JSON),
        ("text/html", "", None),
        (f"{JSON};q=0", "", None),
        ("", "", None),
        (None, "format=svg", SVG),
        (None, "format=json", JSON),
        ("image/*, application/json", "format=svg", SVG),
        (SVG, "format=json", None),
        (JSON, "format=svg", None),
    ],
)
@pytest.mark.parametrize("mount", MOUNTS)
def test_content_negotiation(
    sqlite_client: AppClient, mount: str, accept: str | None, parameters: str, expected: str | None
) -> None:
    """The type with the highest weight wins; at equal weights JSON, unless only the SVG is named.

    The status is 406 if neither type is acceptable.
    """
    headers = bearer_headers(SUPERUSER) | ({} if accept is None else {"accept": accept})
    response = sqlite_client.request("GET", f"{mount}a-flow/diagram/?{parameters}", headers)
    if expected is None:
        assert (response.status, response.json) == (406, NOT_ACCEPTABLE)
    else:
        assert (response.status, response.headers["content-type"]) == (200, expected)
        assert response.headers["vary"] == "Authorization, Accept"


def test_svg_has_a_content_security_policy(sqlite_client: AppClient) -> None:
    """The policy allows only the style of the SVG."""
    headers = bearer_headers(SUPERUSER) | {"accept": SVG}
    response = sqlite_client.request("GET", f"{CURRENT}a-flow/diagram/", headers)
    assert response.headers == {
        "allow": "GET, HEAD, OPTIONS",
        "cache-control": "private, no-cache",
        "content-length": str(len(response.body)),
        "content-type": SVG,
        "etag": response.headers["etag"],
        "content-security-policy": f"default-src 'none'; style-src {svg.STYLE_SOURCE}",
        "vary": "Authorization, Accept",
        "x-content-type-options": "nosniff",
    }


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(
    ("method", "path", "key", "status", "body"),
    [
        ("GET", "nope/diagram/", SUPERUSER, 404, NO_FLOW),
        ("GET", "a-flow/diagram/?designation=enrollment", SUPERUSER, 404, NO_FLOW),
        ("GET", "a-flow/diagram/?slug=other", SUPERUSER, 404, NO_FLOW),
        ("GET", "a-flow/diagram/?format=yaml", SUPERUSER, 404, {"detail": "Not found."}),
        ("GET", "a-flow/?format=svg", SUPERUSER, 404, {"detail": "Not found."}),
        ("GET", "a-flow/diagram", SUPERUSER, 404, {"detail": "Not found."}),
        ("POST", "a-flow/diagram/", SUPERUSER, 405, {"detail": 'Method "POST" not allowed.'}),
        ("GET", "a-flow/diagram/", None, 403, None),
        ("GET", "a-flow/diagram/", KEYS["none"], 403, None),
        (
            "OPTIONS",
            "a-flow/diagram/",
            SUPERUSER,
            200,
            {
                "name": "Diagram",
                "description": "Return diagram for flow with slug `slug`, in the format used by"
                " flowchart.js",
                "renders": [JSON, SVG, FLOW_GRAPH],
                "parses": [JSON],
            },
        ),
    ],
)
def test_checks_are_those_of_a_flow(  # noqa: PLR0913, PLR0917 - one parameter per column
    sqlite_client: AppClient,
    mount: str,
    method: str,
    path: str,
    key: str | None,
    status: int,
    body: Mapping[str, Any] | None,
) -> None:
    """The order of the checks is the same. Errors are JSON, regardless of the Accept header."""
    headers = bearer_headers(key) | {"accept": f"{SVG}, {JSON};q=0.5"}
    response = sqlite_client.request(method, mount + path, headers)
    assert (response.status, response.headers["content-type"]) == (status, JSON)
    assert body in (None, response.json)


@pytest.mark.parametrize("user", ["object_role", "object_role_by_group"])
def test_hidden_flows_have_no_diagram(client: AppClient, user: str) -> None:
    """A user with access to some flows gets their diagrams, and 404 for other flows."""
    roles = {"object_role": ("some flows", "more flows")}.get(user, ("few flows",))
    visible = {FLOWS[number] for role in roles for number in VISIBLE_FLOWS_BY_ROLE[role]}
    query = "{ flows(pageSize: 60) { results { slug diagram } } }"
    flows = client.graphql(query, KEYS[user]).json["data"]["flows"]["results"]
    diagrams = {flow["slug"]: flow["diagram"] for flow in flows}
    assert diagrams.keys() == visible
    for slug in FLOWS[::3]:
        response = client.get(f"{CURRENT}{slug}/diagram/", KEYS[user])
        expected = {"diagram": diagrams[slug]} if slug in visible else NO_FLOW
        assert (response.status, response.json) == (200 if slug in visible else 404, expected)
