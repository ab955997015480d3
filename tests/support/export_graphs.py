"""Random graphs of flows with settings, as blueprints."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from hypothesis import strategies as st

NAMES: Sequence[str] = ("a", "b", "c", "a (b)", "two\nlines", "it's: {#}", "ÄÖ €", "!KeyOf flow/a")
SLUGS: Sequence[str] = ("a", "b", "c-1")
CHARACTERS = "ab Ä€😀'\"#:!&*{}[],\\\n\t-%@`|>"
IDENTIFICATION = "authentik_stages_identification.identificationstage"
PROMPT_STAGE = "authentik_stages_prompt.promptstage"
VALIDATE = "authentik_stages_authenticator_validate.authenticatorvalidatestage"
CAPTCHA = "authentik_stages_captcha.captchastage"
USER_WRITE = "authentik_stages_user_write.userwritestage"
CUSTOM = "authentik_stages_example.customstage"
# The policies of this type can refer to any object.
CUSTOM_POLICY = "authentik_policies_example.custompolicy"
CUSTOM_NAMES = ("a", "c", "ÄÖ €")
EXPRESSION = "authentik_policies_expression.expressionpolicy"


class Reference(NamedTuple):
    """A reference to an entry of the graph by its kind and name, or a tag as it is written."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Graph:
    """The entries of a graph as YAML, by kind."""

    flows: Sequence[str]
    others: Sequence[str]
    bindings: Sequence[str]

    def render(self) -> str:
        """Return the whole graph as a blueprint."""
        return "version: 1\nentries:\n" + "".join((*self.flows, *self.others, *self.bindings))

    def render_others(self) -> str:
        """Return the graph without flows, bindings and settings."""
        entries = [entry for entry in self.others if "stages_prompt.prompt," not in entry]
        heads = [f"{entry.partition(', attrs: ')[0]}}}\n" for entry in entries]
        return "version: 1\nentries:\n" + "".join(heads)


def write(value: Any) -> str:
    """Return a value as YAML in flow style."""
    if isinstance(value, Reference):
        return value.name if value.kind == "tag" else f"!KeyOf {json.dumps(_id(*value))}"
    if isinstance(value, dict):
        members = cast(dict[str, Any], value).items()
        return "{" + ", ".join(f"{write(key)}: {write(item)}" for key, item in members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write, cast(list[Any], value))) + "]"
    return json.dumps(value, ensure_ascii=False)


def _id(kind: str, name: str) -> str:
    return f"{kind} {name}"


def _entry(kind: str, model: str, name: str, attrs: dict[str, Any], key: str = "name") -> str:
    head = f"- {{model: {model}, id: {json.dumps(_id(kind, name), ensure_ascii=False)}"
    return f"{head}, identifiers: {{{key}: {write(name)}}}, attrs: {write(attrs)}}}\n"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS),
    lambda items: (
        st.lists(items, max_size=3) | st.dictionaries(st.text("abc", min_size=1), items, max_size=3)
    ),
    max_leaves=6,
)
EXTERNAL = st.sampled_from(
    [
        Reference("tag", "!Find [authentik_core.source, [slug, ldap]]"),
        Reference("tag", "!Find [authentik_core.group, [name, engineers]]"),
    ]
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw flows, stages, policies and prompts, with bindings and settings that refer to any."""
    slugs = draw(st.lists(st.sampled_from(SLUGS), min_size=1, unique=True))
    stages, policies, prompts = (
        draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
        for _ in range(3)
    )
    refer = _build_references({"flow": slugs, "stage": stages, "policy": policies})
    prompt = st.sampled_from([Reference("prompt", name) for name in prompts])
    attributes = {
        CUSTOM: st.fixed_dictionaries(
            {},
            optional={
                "data": JSON,
                "refs": st.lists(
                    refer("stage") | refer("flow") | refer("policy") | EXTERNAL, max_size=3
                ),
            },
        ),
        IDENTIFICATION: st.fixed_dictionaries(
            {},
            optional={
                "password_stage": refer("stage"),
                "recovery_flow": refer("flow") | st.none(),
                "user_fields": st.just(["email"]),
                "sources": st.lists(EXTERNAL.filter(lambda tag: "source" in tag.name), max_size=1),
            },
        ),
        VALIDATE: st.fixed_dictionaries(
            {"configuration_stages": st.lists(refer("stage"), max_size=3)}
        ),
        PROMPT_STAGE: st.fixed_dictionaries(
            {"fields": st.lists(prompt, min_size=1, max_size=3, unique=True)},
            optional={"validation_policies": st.lists(refer("policy"), max_size=2)},
        ),
        USER_WRITE: st.fixed_dictionaries(
            {"create_users_group": EXTERNAL.filter(lambda tag: "group" in tag.name)}
        ),
        CAPTCHA: st.fixed_dictionaries(
            {"private_key": st.just("secret"), "public_key": st.just("x")}
        ),
    }
    others = [_draw_prompt(draw, name) for name in prompts]
    others += [
        _entry("policy", CUSTOM_POLICY if name in CUSTOM_NAMES else EXPRESSION, name, {})
        for name in policies
    ]
    models = {name: draw(st.sampled_from(list(attributes))) for name in stages}
    others += [_entry("stage", model, name, {}) for name, model in models.items()]
    settings = [
        f"- {{model: {model}, identifiers: {{name: {write(name)}}},"
        f" attrs: {write(draw(attributes[model]))}}}\n"
        for name, model in models.items()
    ]
    expressions = st.text(CHARACTERS).map(lambda text: f"{text}.")
    custom = st.fixed_dictionaries(
        {},
        optional={
            "stage": refer("stage"),
            "others": st.lists(refer("policy") | refer("flow") | prompt, max_size=2),
        },
    )
    settings += [
        f"- {{model: {CUSTOM_POLICY}, identifiers: {{name: {write(name)}}},"
        f" attrs: {write(draw(custom))}}}\n"
        if name in CUSTOM_NAMES
        else f"- {{model: {EXPRESSION}, identifiers: {{name: {write(name)}}},"
        f" attrs: {{expression: {write(draw(expressions))}}}}}\n"
        for name in policies
    ]
    return Graph(
        [_draw_flow(draw, slug) for slug in slugs],
        # Stages can refer to each other, so they exist before they have settings.
        [*draw(st.permutations(others)), *draw(st.permutations(settings))],
        _draw_bindings(draw, slugs, stages, policies, has_copies=draw(st.booleans())),
    )


def _build_references(
    names: dict[str, list[str]],
) -> Callable[[str], st.SearchStrategy[Reference]]:
    return lambda kind: st.sampled_from([Reference(kind, name) for name in names[kind]])


def _draw_flow(draw: st.DrawFn, slug: str) -> str:
    attrs = {
        "name": draw(st.sampled_from(NAMES)),
        "title": draw(st.sampled_from(NAMES)),
        "designation": draw(st.sampled_from(["recovery", "enrollment"])),
        "background": draw(st.sampled_from(["", "https://example.com/a.png"])),
        "policy_engine_mode": draw(st.sampled_from(["all", "any"])),
    }
    return _entry("flow", "authentik_flows.flow", slug, attrs, "slug")


def _draw_prompt(draw: st.DrawFn, name: str) -> str:
    attrs = {
        "field_key": draw(st.sampled_from(["username", "x"])),
        "label": draw(st.sampled_from(NAMES)),
        "type": draw(st.sampled_from(["text", "password"])),
        "order": draw(st.integers(-3, 3)),
        "placeholder": draw(st.sampled_from(["", "two\nlines"])),
        "required": draw(st.booleans()),
    }
    return _entry("prompt", "authentik_stages_prompt.prompt", name, attrs)


def _draw_bindings(
    draw: st.DrawFn, slugs: list[str], stages: list[str], policies: list[str], *, has_copies: bool
) -> list[str]:
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(slugs), st.sampled_from(stages), st.integers(0, 2)),
            max_size=6,
            unique=True,
        )
    )
    steps = [
        f"- {{model: authentik_flows.flowstagebinding, id: {json.dumps(f'step {number}')},"
        f" identifiers: {{target: {write(Reference('flow', slug))},"
        f" stage: {write(Reference('stage', stage))}, order: {order}}},"
        f" attrs: {{evaluate_on_plan: {json.dumps(draw(st.booleans()))}}}}}\n"
        for number, (slug, stage, order) in enumerate(places)
    ]
    targets = [Reference("flow", slug) for slug in slugs]
    targets += [Reference("step", str(number)) for number in range(len(places))]
    bound = [("policy", Reference("policy", name)) for name in policies]
    bound += [
        ("group", Reference("tag", "!Find [authentik_core.group, [name, g]]")),
        ("user", Reference("tag", "!Find [authentik_core.user, [username, u]]")),
    ]
    gates = draw(
        st.lists(
            st.tuples(st.sampled_from(targets), st.sampled_from(bound), st.integers(0, 1)),
            max_size=6,
            unique=True,
        )
    )
    entries = [
        f"- {{model: authentik_policies.policybinding, identifiers: {{target: {write(target)},"
        f" {kind}: {write(reference)}, order: {order}}},"
        f" attrs: {{negate: {json.dumps(draw(st.booleans()))}, timeout: {draw(st.integers(0, 9))}}}}}\n"
        for target, (kind, reference), order in gates
    ]
    if has_copies:
        # Equal bindings of a group, which only primary keys distinguish.
        entries += [
            f"- {{model: authentik_policies.policybinding, identifiers: {{pk: {pk}}}, attrs:"
            f" {{target: {write(targets[0])}, group: !Find [authentik_core.group, [name, g]],"
            " order: 7}}\n"
            for pk in (
                "10000000-0000-4000-8000-000000000001",
                "10000000-0000-4000-8000-000000000002",
            )
        ]
    return [*steps, *entries]
