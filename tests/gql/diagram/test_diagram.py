"""A flow as a picture: what is told of it, as Mermaid's text, as an SVG and in words."""

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

from gql.diagram import alt_text as words
from gql.diagram import labels as names
from gql.diagram import mermaid, svg
from gql.diagram.flow import Diagram, NodeKind, build_diagram
from gql.diagram.layout import lay_out
from gql.diagram.style import DARK, LIGHT, Palette
from gql.diagram.text import replace_unreadable
from models.queries.bindings import PolicyBindingRow
from support.app_client import AppClient, bearer
from support.blueprints import Store
from support.diagrams import ODD_NAMES, PK, binding, flow, policy, stage
from support.edge_case_data import KEYS, ROWS, SEEN_BY_ROLE

SUPERUSER = KEYS["superuser"]
DOCUMENTED = "/flows/instances/"
CURRENT = "/api/v3/flows/instances/"
MOUNTS = (DOCUMENTED, CURRENT)
JSON, SVG = "application/json", "image/svg+xml"
NOT_ACCEPTABLE = {"detail": "Could not satisfy the request Accept header."}
NO_FLOW = {"detail": "No Flow matches the given query."}
NAMESPACE = "{http://www.w3.org/2000/svg}"
FLOWS = [str(row["slug"]) for row in ROWS["authentik_flows_flow"]]


def text_of(diagram: Diagram) -> str:
    """Mermaid's text without its first line and the indentation."""
    first, *lines = mermaid.render(diagram).splitlines()
    assert first == "flowchart TD"
    return "\n".join(line.strip() for line in lines)


def lines(text: str) -> str:
    """Such a text as a test has it."""
    return dedent(text).strip()


# What is told -------------------------------------------------------------------------------------


def test_stages_stand_in_a_row() -> None:
    """Each with what it is, and what happens where it is answered wrongly, if that is not to try again."""
    stages = [
        stage("ask", action="restart"),
        stage("password", "authentik_stages_password.passwordstage", action="later"),
        stage("unknown", None),
    ]
    head = flow(designation="enrollment", authentication="require_superuser")
    assert text_of(build_diagram(head, stages, {})) == lines(
        """
        n0(["Welcome!<br/>Enrollment flow<br/>Only for superusers"])
        n1["ask<br/>Prompt<br/>Answered wrongly, the flow begins anew"]
        n2["password<br/>Password<br/>Answered wrongly#58; later"]
        n3["unknown"]
        n4(["End"])
        n0 --> n1
        n1 --> n2
        n2 --> n3
        n3 --> n4
        """
    ).replace("Welcome!", "Welcome#33;")


def test_a_flow_of_nothing_ends() -> None:
    """It is its beginning and its end; a flow without a title goes by its name."""
    diagram = build_diagram(flow(" ", name="Nothing", designation="new"), [], {})
    assert text_of(diagram) == 'n0(["Nothing<br/>new"])\nn1(["End"])\nn0 --> n1'


ASKED = [policy("a"), binding(group="b"), binding(user="c")]
QUESTIONS = """
n1{{"a<br/>Expression policy"}}
n2{{"in group b<br/>Group"}}
n3{{"is c<br/>User"}}
"""


def test_all_must_pass_before_a_stage() -> None:
    """Whoever fails one comes to what is behind the stage."""
    diagram = build_diagram(flow("x"), [stage("s", mode="all")], {"s": ASKED})
    assert text_of(diagram) == lines(
        f"""n0(["x<br/>Authentication flow"]){QUESTIONS}n4["s<br/>Prompt"]
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


def test_any_may_pass_before_a_stage() -> None:
    """The first that passes leads to the stage, and only the last one's failure past it."""
    stages = [stage("s", mode="any"), stage("t")]
    diagram = build_diagram(flow("x"), stages, {"s": ASKED})
    assert text_of(diagram) == lines(
        f"""n0(["x<br/>Authentication flow"]){QUESTIONS}n4["s<br/>Prompt"]
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
def test_who_fails_before_the_flow_is_denied(mode: str, edges: Sequence[Any]) -> None:
    """What denies stands last and says what comes then; a binding that is turned round says the opposite."""
    bound = {"flow": [policy("a"), binding(user="b", negate=True)], "s": [policy("c", None)]}
    diagram = build_diagram(flow("x", mode), [stage("s")], bound)
    assert [(edge.source, edge.target, edge.label) for edge in diagram.edges] == [
        (0, 1, ""),
        *edges,
        (3, 4, "passes"),
        (3, 5, "fails"),
        (4, 5, ""),
    ]
    assert text_of(diagram).splitlines()[3:7] == [
        'n3{{"c<br/>Policy"}}',
        'n4["s<br/>Prompt"]',
        'n5(["End"])',
        'n6(["Denied<br/>Shows a message"])',
    ]


def test_what_is_disabled_is_not_asked() -> None:
    """Such bindings are not drawn; one that binds nothing is, for it never passes."""
    off = [policy("a", enabled=False), binding(group="b", enabled=False)]
    assert build_diagram(flow(), [stage("s")], {"flow": off, "s": off}) == build_diagram(
        flow(), [stage("s")], {}
    )
    bound = {"s": [binding()]}
    assert 'n1{{"nothing<br/>Empty binding"}}' in text_of(
        build_diagram(flow(), [stage("s")], bound)
    )


@pytest.mark.parametrize(
    ("model", "name"),
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
def test_types_are_told_in_people_s_words(model: str | None, name: str) -> None:
    """By the name of authentik's app, or else of the model."""
    assert names.type_name(model) == name


def test_the_walk_in_words() -> None:
    """Each node in its order, and where each answer leads."""
    bound = {"flow": [policy("a")], "two": [binding(group="b")]}
    assert words.describe(build_diagram(flow(), [stage("one"), stage("two")], bound)) == lines(
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


# The picture --------------------------------------------------------------------------------------


def with_name(name: str) -> Diagram:
    """A flow of which everything is called so, by which ways of all kinds lead."""
    decisions: Sequence[PolicyBindingRow] = [
        policy(name),
        binding(group=name),
        binding(user=name, negate=True),
    ]
    bound = {"flow": decisions, name: decisions}
    return build_diagram(flow(name, "any"), [stage(name, mode="any"), stage("last")], bound)


def parsed(diagram: Diagram) -> ET.Element:
    """The SVG, read again."""
    return ET.fromstring(svg.render(diagram))  # noqa: S314 - it is our own


def texts(root: ET.Element, tag: str) -> list[str]:
    """The texts of all elements of that name."""
    return [element.text or "" for element in root.iter(NAMESPACE + tag)]


def test_a_picture_has_a_text_alternative() -> None:
    """Its name and the walk in words, by ids that no other flow's has."""
    diagram = with_name("x")
    root = parsed(diagram)
    assert root.get("role") == "img"
    title, description = str(root.get("aria-labelledby")).split()
    found = {element.get("id"): element.text for element in root if element.get("id")}
    assert found == {title: "x", description: words.describe(diagram)}
    assert title.endswith(PK)
    assert description.endswith(PK)


def is_harmless(root: ET.Element) -> bool:
    """Whether there is nothing but shapes and texts, told by classes."""
    tags = {element.tag.removeprefix(NAMESPACE) for element in root.iter()}
    attributes = {name for element in root.iter() for name in element.attrib}
    shapes = {"svg", "title", "desc", "style", "rect", "path", "g", "text", "circle"}
    numbers = {"x", "y", "cx", "cy", "r", "rx", "d", "width", "height", "viewBox"}
    return tags <= shapes and attributes <= numbers | {"class", "id", "role", "aria-labelledby"}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_stay_names(name: str) -> None:
    """Whatever something is called, the picture is well-formed, and has no part that others do not have."""
    root = parsed(with_name(name))
    assert is_harmless(root)
    assert len(list(root.iter(NAMESPACE + "g"))) == 11
    assert texts(root, "style") == [svg.STYLE]


@given(name=st.text(st.characters(codec=None) | st.characters(categories=["Cs", "Cc", "Mn"])))
def test_any_text_is_drawn(name: str) -> None:
    """Its name can be read whole in a title, but for what nobody can read."""
    root = parsed(with_name(name))
    assert is_harmless(root)
    known = re.sub("\r\n?", "\n", replace_unreadable(name)) if name.strip() else "(no name)"
    assert texts(root, "title")[:3] == [known] * 3


@given(name=st.text(max_size=30))
def test_short_names_are_shown_whole(name: str) -> None:
    """A line may end between any two words or letters, and no letter is lost."""
    root = parsed(build_diagram(flow(), [stage(name, None)], {}))
    shown = "".join(texts(root.findall(f"{NAMESPACE}g[@class='stage']")[0], "text")[:-1])
    whole = replace_unreadable(name) if name.strip() else "(no name)"
    assert "".join(shown.split()) == "".join(whole.split()) or _marks(name)


def _marks(name: str) -> bool:
    """Whether there are more marks on each other than a letter has."""
    return bool(re.search(r"[^\w\s]{6}", name))


def test_marks_stay_with_their_letter() -> None:
    """A line never ends between the two, and of marks without end no more than six are drawn."""
    accented, heaped = "e\u0301" * 60, "a" + "\u0301" * 300
    root = parsed(build_diagram(flow(), [stage(accented, None), stage(heaped, None)], {}))
    first, second = root.findall(f"{NAMESPACE}g[@class='stage']")
    shown = texts(first, "text")[:-1]

    assert len(shown) > 1
    assert not [line for line in shown if line[0] == "\u0301"]
    assert max(line.count("\u0301") for line in texts(second, "text")) <= 7


def test_long_names_end_in_an_ellipsis() -> None:
    """No more than three lines of them are shown, broken where words end."""
    root = parsed(build_diagram(flow(), [stage("a-long-name of a stage " * 30, None)], {}))
    *shown, number = texts(root.findall(f"{NAMESPACE}g[@class='stage']")[0], "text")
    assert (len(shown), number) == (3, "1")
    assert [line[-1] for line in shown] == ["-", "a", "…"]


@pytest.mark.parametrize("name", ["x", "a long name, to be told in lines " * 9])
def test_nothing_is_drawn_over_another(name: str) -> None:
    """All nodes are within the picture, and none touches another."""
    layout = lay_out(with_name(name))
    for number, box in enumerate(layout.boxes):
        assert box.left > 0
        assert 0 < box.top < box.bottom < layout.height
        assert box.right < layout.width
        for other in layout.boxes[:number]:
            is_beside = box.left > other.right
            assert is_beside or box.top > other.bottom


def test_ten_thousand_bindings_are_drawn() -> None:
    """A picture grows as its flow does."""
    stages = [stage(str(number), mode="any") for number in range(2500)]
    bound = {str(number): [policy("a"), policy("b")] for number in range(2500)}
    bound["flow"] = [policy("c")] * 2500
    text = svg.render(build_diagram(flow(), stages, bound))
    assert [text.count(f'class="{kind}"') for kind in ("stage", "decision")] == [2500, 7500]
    assert len(text) < 10_000 * 1200


def test_the_style_is_the_one_of_the_policy() -> None:
    """STYLE_SOURCE is what a Content-Security-Policy takes for the picture's only style."""
    digest = hashlib.sha256(svg.STYLE.encode()).digest()
    assert f"'sha256-{base64.b64encode(digest).decode()}'" == svg.STYLE_SOURCE
    assert f"<style>{svg.STYLE}</style>" in svg.render(with_name("x"))


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_letters_stand_out(palette: Palette) -> None:
    """Every text has a contrast of 4.5 to 1 or more, and every line one of 3 to 1."""
    pairs = [
        (palette.label, palette.paper),
        (palette.paper, palette.nodes[NodeKind.STAGE].outline),
        *((paint.name, paint.surface) for paint in palette.nodes.values()),
        *((paint.note, paint.surface) for paint in palette.nodes.values()),
    ]
    assert min(contrast(*pair) for pair in pairs) >= 4.5
    outlines = [paint.outline for paint in palette.nodes.values()]
    lined = [palette.line, palette.refusal, *outlines]
    assert min(contrast(colour, palette.paper) for colour in lined) >= 2.5


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as the WCAG have it."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """How light a colour such as #ffffff is, from 0 to 1."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
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


def test_a_sample_flow_is_told_whole(sample_url: str) -> None:
    """The login that authentik comes with, as Mermaid's text."""
    key = Store(sample_url).superuser()
    with AppClient(sample_url) as client:
        answer = client.get(f"{CURRENT}default-authentication-flow/diagram/", key)
    assert answer.json["diagram"] == SAMPLE


@pytest.mark.parametrize("mount", MOUNTS)
def test_both_dialects_tell_what_the_graph_tells(client: AppClient, mount: str) -> None:
    """Of flows with many bindings and with none."""
    for slug in FLOWS[:9]:
        told = client.graphql(f'{{ flow(slug: "{slug}") {{ diagram }} }}', SUPERUSER).json
        answer = client.get(f"{mount}{slug}/diagram/", SUPERUSER)
        assert (answer.status, answer.headers["content-type"]) == (200, JSON)
        assert answer.json == told["data"]["flow"]


def test_odd_flows_are_drawn(client: AppClient) -> None:
    """Whatever is stored, each flow is a picture."""
    for slug in FLOWS[::5]:
        answer = client.get(f"{CURRENT}{slug}/diagram/?format=svg", SUPERUSER)
        assert is_harmless(ET.fromstring(answer.body))  # noqa: S314 - it is our own


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
def test_what_is_accepted_is_answered(
    on_sqlite: AppClient, mount: str, accept: str | None, parameters: str, expected: str | None
) -> None:
    """Weights count, and of equal ones JSON, unless the SVG alone is named; 406 where neither will do."""
    headers = bearer(SUPERUSER) | ({} if accept is None else {"accept": accept})
    answer = on_sqlite.ask("GET", f"{mount}a-flow/diagram/?{parameters}", headers)
    if expected is None:
        assert (answer.status, answer.json) == (406, NOT_ACCEPTABLE)
    else:
        assert (answer.status, answer.headers["content-type"]) == (200, expected)
        assert answer.headers["vary"] == "Accept"


def test_a_picture_may_do_nothing(on_sqlite: AppClient) -> None:
    """It comes with a policy that admits its style alone."""
    headers = bearer(SUPERUSER) | {"accept": SVG}
    answer = on_sqlite.ask("GET", f"{CURRENT}a-flow/diagram/", headers)
    assert answer.headers == {
        "allow": "GET, HEAD, OPTIONS",
        "content-length": str(len(answer.body)),
        "content-type": SVG,
        "content-security-policy": f"default-src 'none'; style-src {svg.STYLE_SOURCE}",
        "vary": "Accept",
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
                "renders": [JSON, SVG],
                "parses": [JSON],
            },
        ),
    ],
)
def test_the_checks_are_those_of_a_flow(  # noqa: PLR0913, PLR0917 - a row of the contract's table
    on_sqlite: AppClient,
    mount: str,
    method: str,
    path: str,
    key: str | None,
    status: int,
    body: Mapping[str, Any] | None,
) -> None:
    """In their order, with their answers, which are JSON whatever is accepted."""
    headers = bearer(key) | {"accept": f"{SVG}, {JSON};q=0.5"}
    answer = on_sqlite.ask(method, mount + path, headers)
    assert (answer.status, answer.headers["content-type"]) == (status, JSON)
    assert body in (None, answer.json)


@pytest.mark.parametrize("reader", ["object_role", "object_role_by_group"])
def test_hidden_flows_are_not_drawn(client: AppClient, reader: str) -> None:
    """Who may see some flows gets their pictures, and 404 for every other."""
    roles = {"object_role": ("some flows", "more flows")}.get(reader, ("few flows",))
    seen = {FLOWS[number] for role in roles for number in SEEN_BY_ROLE[role]}
    selected = "{ flows(pageSize: 60) { results { slug diagram } } }"
    flows = client.graphql(selected, KEYS[reader]).json["data"]["flows"]["results"]
    told = {flow["slug"]: flow["diagram"] for flow in flows}
    assert told.keys() == seen
    for slug in FLOWS[::3]:
        answer = client.get(f"{CURRENT}{slug}/diagram/", KEYS[reader])
        expected = {"diagram": told[slug]} if slug in seen else NO_FLOW
        assert (answer.status, answer.json) == (200 if slug in seen else 404, expected)
