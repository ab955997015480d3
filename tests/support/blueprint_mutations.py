"""Blueprints with random changes: of their bytes, and of their structure."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

import yaml
from hypothesis import strategies as st

from support.paths import SAMPLES

# All kinds of objects, tags, states and forms of YAML.
RICH = """\
version: 1
metadata: {name: rich, labels: {a: b}}
context: {place: 10, rooms: [hall, cellar], owner: {first: Ann}, found: !Find [authentik_flows.flow, [slug, door]]}
entries:
- &flow
  model: authentik_flows.flow
  id: door
  identifiers: {pk: f1000000-0000-4000-8000-000000000001, slug: door}
  attrs: &attrs
    name: Door
    title: !Format ['%s door', !Context [owner, x]]
    designation: recovery
    policy_engine_mode: all
- model: authentik_flows.flow
  identifiers: {slug: side}
  state: created
  conditions: [!Condition [OR, !Context place, false], !Find [authentik_flows.flow, [slug, door]]]
  attrs: {<<: *attrs, name: Side, compatibility_mode: "yes"}
- {model: authentik_stages_dummy.dummystage, id: bell, identifiers: {name: bell}, attrs: {throw_error: off}}
- model: authentik_stages_prompt.prompt
  id: word
  identifiers: {name: word}
  attrs: {field_key: w, label: W, type: text, order: "5"}
- model: authentik_stages_prompt.promptstage
  id: ask
  identifiers: {name: ask}
  attrs:
    fields: [!KeyOf word, !Find [authentik_stages_prompt.prompt, [name, word]]]
    text: !Enumerate [!Context rooms, SEQ, !Format ['%d %s', !Index 0, !Value 0]]
    map: !Enumerate [!Context rooms, MAP, [!Value 0, !Index 0]]
    at: !AtIndex [!Context rooms, 1, none]
    env: !Env [FUZZ_VARIABLE, 5]
    file: !File [missing.txt, none]
    json: !ParseJSON '{"a": [1]}'
    object: !FindObject [authentik_flows.flow, [slug, door]]
- {model: authentik_policies_dummy.dummypolicy, id: rule, identifiers: {name: rule}, attrs: {result: !If [!Context place, true, !KeyOf rule]}}
- {model: authentik_stages_captcha.captchastage, identifiers: {name: c}, attrs: {private_key: hidden}}
- {model: authentik_core.group, id: staff, identifiers: {name: staff}, attrs: {is_superuser: true}}
- {model: authentik_core.user, id: ann, identifiers: {username: ann}, attrs: {name: Ann, groups: [!KeyOf staff]}}
- {model: authentik_flows.flowstagebinding, id: ring, identifiers: {target: !KeyOf door, stage: !KeyOf bell, order: 0}}
- {model: authentik_flows.flowstagebinding, identifiers: {target: f1000000-0000-4000-8000-000000000001, stage: !KeyOf ask, order: !Context place}}
- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf ring, order: 0}, attrs: {policy: !KeyOf rule, timeout: 5}}
- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf ring, order: 1}, attrs: {group: !KeyOf staff}}
- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf door, order: 0}, attrs: {user: !Find [authentik_core.user, [username, eve]]}}
- {model: authentik_policies.policybinding, state: absent, identifiers: {target: !KeyOf door, policy: !KeyOf rule}}
- {model: authentik_core.application, identifiers: {slug: wiki}, attrs: {x: !KeyOf door}}
- {model: authentik_blueprints.metaapplyblueprint, attrs: {identifiers: {name: other}, required: false}}
"""
SEEDS = (
    RICH,
    RICH,
    *(path.read_text(encoding="utf-8") for path in sorted(SAMPLES.glob("*.yaml"))),
)
SAMPLED_SEEDS = st.sampled_from(SEEDS)

# Pieces of YAML that have a meaning of their own.
PIECES = (
    *("\n", "  ", "- ", ": ", "[", "]", "{", "}", ",", "#", "|", ">", "'", '"', "&a ", "*a", "\t"),
    *("<<: ", "<<: *attrs", "*flow", "!", "!!", "!KeyOf ", "!Find ", "!If ", "!Enumerate ", "!x "),
    *("!!binary ", "!!python/name:os.system ", "!!set ", "!!timestamp ", "!!int ", "---\n", "...\n"),
    *("null", "true", "2024-13-45", "0x1f", "1_0", "1e999", ".nan", "190:20:30", "=", "~", "%"),
    *("\0", "\x85", "\u2028", "\ufeff", "\U0001f600", "\\ud800", "%YAML 1.1\n", "9" * 400),
    *("absent", "model: ", "entries:\n", "context: ", "!Context place", "conditions: [false]\n"),
)  # fmt: skip
# Bytes that are not UTF-8, or start other encodings.
RAW = (b"\xff", b"\xc3", b"\xff\xfe", b"\xed\xa0\x80", b"\x00")
INSERTIONS = (
    st.sampled_from([piece.encode() for piece in PIECES])
    | st.sampled_from(RAW)
    | st.binary(max_size=20)
)
PLACES = st.integers(0, 1 << 30)


@dataclass(frozen=True, slots=True)
class ByteChange:
    """A span of bytes that others replace: new ones, or a span of the same file."""

    start: int
    length: int
    replacement: bytes
    source: int | None

    def apply(self, document: bytes) -> bytes:
        """Return the changed document."""
        start = self.start % (len(document) + 1)
        new = self.replacement
        if self.source is not None:
            source = self.source % (len(document) + 1)
            new = document[source : source + 10 * self.length]
        return document[:start] + new + document[start + self.length :]


BYTE_CHANGES = st.builds(
    ByteChange, PLACES, st.integers(0, 40), INSERTIONS, st.none() | st.none() | PLACES
)


@st.composite
def mutate_bytes(draw: st.DrawFn) -> bytes:
    """Draw a blueprint in which bytes are inserted, removed and moved."""
    changes = draw(st.lists(BYTE_CHANGES, min_size=1, max_size=6))
    seed = draw(SAMPLED_SEEDS).encode()
    return reduce(lambda document, change: change.apply(document), changes, seed)


@dataclass(slots=True)
class Tagged:
    """A value with a tag."""

    tag: str
    value: Any


class _Loader(yaml.SafeLoader):
    """Parses blueprints, and keeps tags."""


def _construct_tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Tagged:
    match node:
        case yaml.SequenceNode():
            value: Any = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
        case _:
            value = loader.construct_scalar(cast("yaml.ScalarNode", node))
    return Tagged(f"!{suffix}", value)


_Loader.add_multi_constructor("!", _construct_tagged)  # pyright: ignore[reportUnknownMemberType]

TAGS = (
    *("!KeyOf", "!Find", "!FindObject", "!Context", "!Format", "!If", "!Condition", "!Enumerate"),
    *("!Index", "!Value", "!Env", "!File", "!AtIndex", "!ParseJSON"),
)
SCALARS: Sequence[Any] = (
    *(None, True, False, 0, -1, 5, 2**31, 10**400, 1.5, float("inf"), float("nan"), "", " ", "x"),
    *("yes", "10", "door", "absent", "present", "created", "must_created", "all", "recovery", "pk"),
    *("slug", "name", "target__slug", "name__icontains", "pk__isnull", "order__gt", "a__b__c"),
    *("\0", "\ud800", "\u2028", "é" * 300, "x" * 5000, "/etc/passwd", "..", "%s", "%d", "%(a)s"),
    *("%999999999d", "SEQ", "MAP", "AND", "xor", "f1000000-0000-4000-8000-000000000001", "{", "[]"),
    *("authentik_flows.flow", "authentik_flows.flowstagebinding", "authentik_policies.policybinding"),
    *("authentik_core.group", "authentik_core.user", "authentik_stages_email.emailstage"),
    *("authentik_stages_prompt.prompt", "authentik_core.token", "flow", "a.b.c", "."),
)  # fmt: skip
KEYS = (
    *("model", "id", "state", "identifiers", "attrs", "conditions", "entries", "context", "pk"),
    *("slug", "name", "title", "designation", "target", "stage", "policy", "group", "user", "order"),
    *("username", "enabled", "timeout", "version", "metadata", "<<", "x", "password", "users"),
)  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(SCALARS),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS), values, max_size=3)
        | st.builds(Tagged, st.sampled_from(TAGS), values | st.lists(values, max_size=4))
    ),
    max_leaves=6,
)
# A container and the key of one of its values.
Place = tuple[Any, Any]
Edit = Callable[[Any, Place, Any], None]


def _list_places(value: Any) -> Iterator[Place]:
    """Yield the places of all values below a value."""
    for key in list(_list_keys(value)):
        yield value, key
        yield from _list_places(_get((value, key)))


def _list_keys(value: Any) -> Iterable[Any]:
    match value:
        case Tagged():
            return (None,)
        case dict():
            return cast("dict[Any, Any]", value)
        case list():
            return range(len(cast("list[Any]", value)))
        case _:
            return ()


def _get(place: Place) -> Any:
    container, key = place
    return container.value if key is None else container[key]


def _set(place: Place, value: Any) -> None:
    container, key = place
    if key is None:
        container.value = value
    else:
        container[key] = value


def _replace(_: Any, place: Place, value: Any) -> None:
    _set(place, value)


def _copy(document: Any, place: Place, value: Any) -> None:
    """Set the place to a value from elsewhere, which the hash of the drawn one selects."""
    places = list(_list_places(document))
    _set(place, deepcopy(_get(places[len(repr(value)) * 7919 % len(places)])))


def _delete(_: Any, place: Place, value: Any) -> None:
    container, key = place
    if key is None:
        container.value = value
    else:
        del container[key]


def _rename(_: Any, place: Place, value: Any) -> None:
    container, key = place
    number = len(repr(value))
    if key is None:
        container.tag = TAGS[number % len(TAGS)]
    elif hasattr(container, "keys"):
        container[KEYS[number % len(KEYS)]] = container.pop(key)


def _wrap(_: Any, place: Place, value: Any) -> None:
    _set(place, Tagged(TAGS[len(repr(value)) % len(TAGS)], [_get(place), value]))


def _repeat(_: Any, place: Place, __: Any) -> None:
    container, key = place
    if hasattr(container, "append"):
        container.append(deepcopy(container[key]))


def _move(_: Any, place: Place, __: Any) -> None:
    container, key = place
    if hasattr(container, "append"):
        container.insert(0, container.pop(key))


EDITS: Sequence[Edit] = (_replace, _replace, _copy, _delete, _rename, _wrap, _repeat, _move)
STRUCTURE_CHANGES = st.tuples(st.sampled_from(EDITS), PLACES, VALUES)


@st.composite
def mutate_structure(draw: st.DrawFn) -> bytes:
    """Draw a blueprint whose values are replaced, removed, renamed, nested and moved."""
    document = yaml.load(draw(SAMPLED_SEEDS), _Loader)  # noqa: S506 - a subclass of SafeLoader
    for edit, number, value in draw(st.lists(STRUCTURE_CHANGES, min_size=1, max_size=5)):
        places = list(_list_places(document))
        if places:
            edit(document, places[number % len(places)], value)
    return render(document).encode()


def render(value: Any) -> str:
    """Return a value as YAML in flow style."""
    match value:
        case Tagged():
            # A value has at most one tag.
            inner = [value.value] if isinstance(value.value, Tagged) else value.value
            return f"{value.tag} {render(inner)}"
        case dict():
            members = cast("dict[Any, Any]", value).items()
            return f"{{{', '.join(f'{render(key)}: {render(item)}' for key, item in members)}}}"
        case list():
            return f"[{', '.join(map(render, cast('list[Any]', value)))}]"
        case float():
            return {"inf": ".inf", "nan": ".nan"}.get(str(value), str(value))
        case str() | int() | None:
            return json.dumps(value)
        case _:
            return str(value)
