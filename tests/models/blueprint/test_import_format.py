"""An import accepts the whole format of blueprints, version 1, as authentik reads it."""

import os
import random
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from models.blueprint.planning import references
from support.blueprints import HEAD
from support.imports import INVALID, Store, find_summary, split_messages

FLOW = (
    "- model: authentik_flows.flow\n  identifiers: {slug: SLUG}\n"
    "  attrs: {name: Gate, title: Gate, designation: recovery}\n"
)
STAGE = "- {model: authentik_stages_dummy.dummystage, id: bell, identifiers: {name: bell}}\n"
# A stage of a model that no authentik has. It keeps any attribute.
EXAMPLE = "- model: authentik_stages_example.examplestage\n  identifiers: {name: example}\n"


def flow(slug: str) -> str:
    """Return the entry of a flow."""
    return FLOW.replace("SLUG", slug)


def read_example(store: Store) -> Any:
    """Return the stored settings of EXAMPLE."""
    return store.read().stages["example"]["settings"]


INVALID_IDENTIFIERS = {
    "- {model: authentik_flows.flow, identifiers: {slug: door, colour: red}, attrs: {name: x}}": "colour",
    "- {model: authentik_flows.flow, identifiers: {colour: red}}": "colour",
    "- {model: authentik_flows.flow, identifiers: {slug__foo: door}}": "slug__foo",
    "- {model: authentik_flows.flow, attrs: {slug: door}}": "identifiers",
    "- {model: authentik_flows.flow, identifiers: {pk: 5, slug: door}}": "pk",
    "- {model: authentik_core.group, identifiers: {nme: staff}}": "nme",
    "- {model: authentik_flows.flow, identifiers: {'': door}}": "''",
    "- {model: authentik_flows.flow, identifiers: {slug__regex: door}}": "regular expression",
    "- {model: authentik_flows.flow, identifiers: {slug: door, slug__range: [a]}}": "range",
    "- {model: authentik_flows.flow, identifiers: {slug__isnull: a}}": "isnull",
    "- {model: authentik_flows.flow, identifiers: {slug__gt: null}}": "null",
    "- {model: authentik_stages_dummy.dummystage, identifiers: {name: a, order__in: 5}}": "list",
}


@pytest.mark.parametrize("entry", INVALID_IDENTIFIERS)
def test_invalid_identifiers(store: Store, entry: str) -> None:
    """The error has the place, and names the field."""
    [message, *_] = store.refuse(f"{entry}\n")
    assert message.startswith(f"{store.folder / '1.yaml'}:3:")
    assert INVALID_IDENTIFIERS[entry] in message


@pytest.mark.parametrize(
    "entry",
    [
        "core.user, identifiers: {email: a@example.com}, attrs: {username: ann, name: Ann}",
        "core.group, identifiers: {attributes: {a: 1}}, attrs: {name: staff}",
    ],
)
def test_identifiers_that_are_not_stored(store: Store, entry: str) -> None:
    """The name identifies a user or a group of which FlowQL does not store the identifiers."""
    document = f"- {{model: authentik_{entry}}}\n"
    assert find_summary(store.load(document)).startswith("1 created, 0 updated, 0 unchanged")
    assert find_summary(store.load(document)).startswith("0 created, 0 updated, 1 unchanged")


def test_identifiers_override_attributes(store: Store) -> None:
    """As in authentik, the object keeps the values by which it is identified."""
    for _ in range(2):
        store.load(flow("door").replace("name: Gate", "name: Gate, slug: other"))
    assert list(store.read().flows) == ["door"]


def test_ids_may_repeat(store: Store) -> None:
    """`!KeyOf` refers to the first entry with this id that declares an object."""
    skipped = flow("skipped").replace(
        "  identifiers", "  id: x\n  conditions: [false]\n  identifiers"
    )
    doors = (flow(slug).replace("  identifiers", "  id: x\n  identifiers") for slug in ("a", "b"))
    binding = (
        "- {model: authentik_flows.flowstagebinding,"
        " identifiers: {target: !KeyOf x, stage: !KeyOf bell, order: 0}}\n"
    )
    store.load(skipped + "".join(doors) + STAGE + binding)
    assert store.read().steps == [("a", 0, "bell")]


DOCUMENTS = {
    "a list": f"version: 1\nmetadata: {{name: doors, labels: {{a: b}}}}\nentries:\n{flow('door')}",
    "no version": f"entries:\n{flow('door')}",
    "sections": (
        "version: 1\nentries:\n  first:\n  - {model: authentik_stages_dummy.dummystage,"
        " identifiers: {name: bell}}\n  empty:\n  none: []\n  last:\n"
        "  - {model: authentik_flows.flow, identifiers: {slug: door},"
        " attrs: {name: Door, title: Door, designation: recovery}}\n"
    ),
    "JSON": (
        '{"version": 1, "entries": [{"model": "authentik_flows.flow", "identifiers":'
        ' {"slug": "door"}, "attrs": {"name": "D", "title": "D", "designation": "recovery"}}]}'
    ),
    "a model in another case": f"entries:\n{flow('door').replace('flows.flow', 'Flows.FLOW')}",
    "permissions": (
        f"entries:\n{flow('door')}  permissions: [{{permission: view_flow, user: !Find [x],"
        " role: !KeyOf nobody}]\n"
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_outer_forms(store: Store, name: str) -> None:
    """The version, metadata and permissions are optional, and entries may be in named sections."""
    assert "0 skipped" in find_summary(store.load(DOCUMENTS[name]))
    assert list(store.read().flows) == ["door"]


@pytest.mark.parametrize("document", ["version: 1\nentries: []", "entries:\n", "entries: {a: }"])
def test_document_without_entries(store: Store, document: str) -> None:
    """Nothing is imported, and nothing is wrong."""
    report = find_summary(store.load(document))
    assert report.startswith("0 created, 0 updated, 0 unchanged, 0 deleted, 0 skipped")


@pytest.mark.parametrize(
    "document", ["version: 2\nentries: []", "version: x\nentries: []", "entries: 5", "entries: [5]"]
)
def test_other_documents_are_invalid(store: Store, document: str) -> None:
    """The error has the file, the line and the column."""
    [message, *_] = store.refuse(document)
    assert message.startswith(f"{store.folder / '1.yaml'}:1:")


JSON_VALUES: Mapping[str, Any] = {
    "{null: 1, true: 2, 1.5: 3, 7: 4, 2024-01-01: 5}": {
        "null": 1,
        "true": 2,
        "1.5": 3,
        "7": 4,
        "2024-01-01": 5,
    },
    "[2024-01-01, 2024-01-01 10:00:00]": ["2024-01-01", "2024-01-01T10:00:00"],
    "!!omap [a: 1]": [["a", 1]],
}


def test_settings_are_json(store: Store) -> None:
    """Keys and dates become strings, as in authentik; a second import changes nothing."""
    attrs = "".join(f"    a{number}: {value}\n" for number, value in enumerate(JSON_VALUES))
    store.load(f"{EXAMPLE}  attrs:\n{attrs}")
    assert list(read_example(store).values()) == list(JSON_VALUES.values())
    report = find_summary(store.load(f"{EXAMPLE}  attrs:\n{attrs}"))
    assert report.startswith("0 created, 0 updated, 1 unchanged")


def test_settings_that_json_does_not_have(store: Store) -> None:
    """Each is an error with its line."""
    values = ("!!binary aGVsbG8=", "!!set {x, y}", "[.nan]", "{a: -.inf}", "{a: !!binary aGk=}")
    errors = sort_errors(
        store.refuse("".join(f"{EXAMPLE}  attrs: {{a: {value}}}\n" for value in values))
    )
    assert [line for line, _ in errors] == list(range(5, 5 + 3 * len(values), 3))


# Tags, and the values that they stand for. The context is that of test_tags.
TAGS: Mapping[str, tuple[str, Any]] = {
    "context": ("!Context place", 20),
    "context_default": ("!Context [nothing, fallback]", "fallback"),
    "context_not_default": ("!Context [place, fallback]", 20),
    "context_missing": ("!Context nothing", None),
    "context_list": ("!Context rooms", ["hall", "cellar"]),
    "context_mapping": ("!Context owner", {"first": "Ann", "age": 40}),
    "context_null": ("!Context [empty, fallback]", None),
    "context_tag": ("!Context label", "acme-20"),
    "context_default_tag": ("!Context [nothing, !Context place]", 20),
    "env": ("!Env EXAMPLE_VARIABLE", "from outside"),
    "env_default": ("!Env [EXAMPLE_UNSET, 7]", 7),
    "env_empty": ("!Env [EXAMPLE_EMPTY, 7]", 7),
    "env_missing": ("!Env EXAMPLE_UNSET", None),
    "format": ("!Format ['%s-%d', !Context tenant, 5]", "acme-5"),
    "format_percent": ("!Format ['100%%']", "100%"),
    "format_nested": ("!Format ['<%s>', !Format ['%s', !Env EXAMPLE_VARIABLE]]", "<from outside>"),
    "if_true": ("!If [!Context place, yes-please, no-thanks]", "yes-please"),
    "if_false": ("!If [!Context nothing, yes-please, no-thanks]", "no-thanks"),
    "if_short": ("!If [!Context tenant]", True),
    "if_short_false": ("!If [!Context nothing]", False),
    "if_deep": ("!If [true, {a: [!Context place]}, x]", {"a": [20]}),
    "if_lazy": ("!If [true, fine, !KeyOf nobody]", "fine"),
    "and": ("!Condition [AND, true, !Context place]", True),
    "nand": ("!Condition [NAND, true, !Context place]", False),
    "or": ("!Condition [or, false, !Context nothing]", False),
    "nor": ("!Condition [NOR, false, !Context nothing]", True),
    "xor": ("!Condition [Xor, true, !Context place, 1]", True),
    "xor_even": ("!Condition [XOR, true, true]", False),
    "xnor": ("!Condition [XNOR, true, false]", False),
    "xnor_one": ("!Condition [XNOR, true]", False),
    "enumerate_list": (
        "!Enumerate [!Context rooms, SEQ, !Format ['%d %s', !Index 0, !Value 0]]",
        ["0 hall", "1 cellar"],
    ),
    "enumerate_mapping": (
        "!Enumerate [!Context owner, SEQ, [!Index 0, !Value 0]]",
        [["first", "Ann"], ["age", 40]],
    ),
    "enumerate_to_mapping": (
        "!Enumerate [!Context rooms, MAP, [!Value 0, {size: !Index 0}]]",
        {"hall": {"size": 0}, "cellar": {"size": 1}},
    ),
    "enumerate_merges": (
        "!Enumerate [[1, 2], MAP, {all: [!Value 0], last: !Value 0}]",
        {"all": [1, 2], "last": 2},
    ),
    "enumerate_nested": (
        (
            "!Enumerate [[a, b], SEQ, !Enumerate [[1, 2], SEQ,"
            " !Format ['%s%s', !Value 1, !Value 0]]]"
        ),
        [["a1", "a2"], ["b1", "b2"]],
    ),
    "enumerate_inner": (
        "!Enumerate [[[1, 2], [3]], SEQ, !Enumerate [!Value 1, SEQ, !Value 0]]",
        [[1, 2], [3]],
    ),
    "enumerate_empty": ("!Enumerate [[], MAP, !KeyOf nobody]", {}),
    "enumerate_string": ("!Enumerate [ab, SEQ, !Value 0]", ["a", "b"]),
    "at_index": ("!AtIndex [!Context rooms, 1]", "cellar"),
    "at_last": ("!AtIndex [!Context rooms, -1]", "cellar"),
    "at_name": ("!AtIndex [!Context owner, !Format ['%s', first]]", "Ann"),
    "at_default": ("!AtIndex [!Context rooms, 9, none]", "none"),
    "at_default_name": ("!AtIndex [!Context owner, x, none]", "none"),
    "parse_json": ('!ParseJSON \'{"a": [1, true, null]}\'', {"a": [1, True, None]}),
    "find_missing": ("!Find [authentik_flows.flow, [slug, nowhere]]", None),
    "find": ("!Find [authentik_flows.flow, [slug, !Context tenant]]", "<flow acme>"),
    "find_model": ("!Find [!Format ['authentik_%s.flow', flows], [slug, acme]]", "<flow acme>"),
    "find_field": ("!Find [authentik_flows.flow, [!Format ['slug'], acme]]", "<flow acme>"),
    "find_extra": ("!Find [authentik_flows.flow, [slug, acme, name, x]]", "<flow acme>"),
    "find_lookup": (
        "!Find [authentik_flows.flow, [slug__startswith, ac], [pk__isnull, false]]",
        "<flow acme>",
    ),
    "find_all": ("!Find [authentik_flows.flow, [slug, acme], [name, Other]]", None),
    # An object that only authentik has.
    "find_outside": (
        "!Find [authentik_crypto.certificatekeypair, [name, !Context tenant]]",
        {"$find": ["authentik_crypto.certificatekeypair", ["name", "acme"]]},
    ),
    "find_object": (
        "!AtIndex [!FindObject [authentik_flows.flow, [slug, acme]], title]",
        "Gate",
    ),
    "reference": ("!KeyOf acme", "<flow acme>"),
    "deep": ("{a: [{b: !Context place}, !Env EXAMPLE_VARIABLE]}", {"a": [{"b": 20}, "from outside"]}),
    "plain": ("[1, 1.5, true, null, text]", [1, 1.5, True, None, "text"]),
}  # fmt: skip
CONTEXT = (
    "context:\n  tenant: acme\n  place: 20\n  rooms: [hall, cellar]\n  empty: null\n"
    "  owner: {first: Ann, age: 40}\n  label: !Format ['%s-%d', !Context tenant, !Context place]\n"
)


def test_tags(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tag is evaluated wherever a value may stand, and its value is stored."""
    monkeypatch.setenv("EXAMPLE_VARIABLE", "from outside")
    monkeypatch.setenv("EXAMPLE_EMPTY", "")
    monkeypatch.delenv("EXAMPLE_UNSET", raising=False)
    attrs = "".join(f"    {name}: {tag}\n" for name, (tag, _) in TAGS.items())
    acme = flow("acme").replace("  identifiers", "  id: acme\n  identifiers")
    store.load(f"{CONTEXT}entries:\n{acme}{EXAMPLE}  attrs:\n{attrs}")
    assert read_example(store) == {name: value for name, (_, value) in TAGS.items()}


def test_tags_in_place_of_every_field(store: Store) -> None:
    """Models, states, ids, identifiers and values of columns are evaluated as well."""
    context = (
        "context: {kind: flow, tenant: acme, place: 20, all: all, ready: 'yes', old: absent}\n"
    )
    entries = (
        "- model: !Format ['authentik_flows.%s', !Context kind]\n"
        "  id: !Format ['%s-flow', !Context tenant]\n"
        "  state: !If [!Context nothing, absent, present]\n"
        "  identifiers: {slug: !Format ['%s-signup', !Context tenant]}\n"
        "  attrs: {name: !Context [shown, Sign up], title: !If [true, Welcome], designation:"
        " !Context [x, enrollment], policy_engine_mode: !Context all}\n"
        "- {model: authentik_flows.flow, state: !Context old, identifiers: {slug: gone}}\n"
        f"{STAGE}"
        "- model: authentik_flows.flowstagebinding\n"
        "  identifiers: {target: !KeyOf acme-flow, stage: !KeyOf bell, order: !Context place}\n"
        "  attrs: {evaluate_on_plan: !Context ready}\n"
    )
    store.load(flow("gone"))
    store.load(f"{context}entries:\n{entries.replace('[true, Welcome]', '[true, Welcome, Hello]')}")
    content = store.read()
    assert list(content.flows) == ["acme-signup"]
    [shown] = content.flows.values()
    assert (shown["name"], shown["title"], shown["mode"]) == ("Sign up", "Welcome", "all")
    [binding] = content.stage_bindings
    assert (binding["order"], binding["evaluate_on_plan"]) == (20, True)


INVALID_TAGS = {
    "!KeyOf nobody": "nobody",
    "!Format ['%d', x]": "!Format",
    "!Format ['%s']": "!Format",
    "!Condition [AND]": "!Condition",
    "!Condition [MAYBE, true]": "!Condition",
    "!Enumerate [5, SEQ, !Value 0]": "!Enumerate",
    "!Enumerate [[1], SET, !Value 0]": "!Enumerate",
    "!Enumerate [!Value 0, SEQ, x]": "!Value",
    "!Value 0": "!Value",
    "!Enumerate [[1], SEQ, !Index 1]": "!Index",
    "!AtIndex [[1], 5]": "!AtIndex",
    "!AtIndex [{a: 1}, b]": "!AtIndex",
    "!ParseJSON '{'": "!ParseJSON",
    "!Find [authentik_flows.flow, [colour, red]]": "colour",
    "!Env FLOWQL_DATABASE_URL": "FLOWQL_",
    "!Env [PGPASSWORD, x]": "PGPASSWORD",
    "!File ../outside.txt": "!File",
    "!File /etc/hostname": "!File",
    "!File link": "!File",
    "!File .env": "hidden",
    "!Context [!!set {x: null}, 1]": "!Context",
    "!Context [!Find [authentik_flows.flow, [slug, nowhere]], 1]": "!Context",
    "!AtIndex [{a: 1}, !Find [authentik_flows.flow, [slug, nowhere]], 1]": "!AtIndex",
    "!Enumerate [[a], MAP, [!!set {x: null}, 1]]": "!Enumerate",
}


def sort_errors(messages: Iterable[str]) -> list[tuple[int, str]]:
    """Return the messages that have a line, by line."""
    found = ((re.search(r"\.yaml:(\d+):\d+: ", message), message) for message in messages)
    return sorted((int(match[1]), message) for match, message in found if match)


def test_invalid_tags(store: Store) -> None:
    """Each error has the place of the tag or of its field, and names what is wrong."""
    (store.folder.parent / "outside.txt").write_text("outside")
    (store.folder / ".env").write_text("FLOWQL_DATABASE_URL=postgresql://user:password@host")
    (store.folder / "link").symlink_to(store.folder.parent / "outside.txt")
    entries = (
        f"- {{model: authentik_stages_dummy.dummystage, identifiers: {{name: s{number}}},"
        f" attrs: {{throw_error: {tag}}}}}\n"
        for number, tag in enumerate(INVALID_TAGS)
    )
    errors = sort_errors(store.refuse("".join(entries)))
    assert [line for line, _ in errors] == list(range(3, 3 + len(INVALID_TAGS)))
    for (_, message), (tag, word) in zip(errors, INVALID_TAGS.items(), strict=True):
        assert word in message, tag


def test_contexts_that_refer_to_themselves_are_invalid(store: Store) -> None:
    """The evaluation ends."""
    document = f"context: {{a: !Context b, b: !Context a}}\nentries:\n{EXAMPLE}  attrs: {{a: !Context a}}\n"
    [(_, message), *_] = sort_errors(store.refuse(document))
    assert "context" in message


# Tags that are malformed or refer to nothing.
BAD_TAGS = (
    *("!KeyOf nobody", "!KeyOf [x]", "!Find x", "!Find []", "!Find [authentik_flows.flow, []]"),
    *("!Find [flow, [slug, x]]", "!If []", "!Condition x", "!Enumerate [1]", "!Index x"),
    *("!AtIndex []", "!ParseJSON '{'", "!Format ['%d', x]", "!Context [a]", "!Context {a: b}"),
    *("!File ../x", "!Env [a]"),
)


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_tags_that_nothing_needs_are_not_judged(store: Store, tag: str) -> None:
    """Such a tag stands in an unused context or branch, or in an entry that is skipped."""
    document = (
        f"context: {{unused: {tag}}}\nentries:\n{flow('door')}  permissions: [{tag}]\n"
        f"{EXAMPLE}  attrs: {{a: !If [true, 1, {tag}], b: !Context [unset, 1]}}\n"
        f"- {{model: authentik_core.application, identifiers: {{slug: {tag}}}, attrs: {{a: {tag}}}}}\n"
        f"- {{model: authentik_core.application, state: absent, conditions: [{tag}]}}\n"
        "- {model: authentik_flows.flow, conditions: [false], identifiers: {slug: skipped},"
        f" attrs: {{title: {tag}}}}}\n"
    )
    report = find_summary(store.load(document))
    assert report.startswith("2 created, 0 updated, 0 unchanged, 0 deleted, 3 skipped")
    assert list(store.read().flows) == ["door"]


def test_unknown_tags_are_invalid_everywhere(store: Store) -> None:
    """The error names the nearest known tag, even where nothing needs the value."""
    [message, *_] = store.refuse(f"{HEAD}- {{model: authentik_core.application, id: !Contxt x}}\n")
    assert message.startswith(f"{store.folder / '1.yaml'}:3:")
    assert "!Contxt" in message
    assert "!Context" in message


CONDITIONS = {
    "[true, 1, text]": True,
    "[]": True,
    "[true, false]": False,
    "[0]": False,
    "['']": False,
    "[null]": False,
    "['false']": True,
    "[!Context lit]": True,
    "[!Context dark]": False,
    "[!Context nothing]": False,
    "[!Context licence]": False,
    "[!Context goauthentik.io/enterprise/licensed]": False,
    "[!Condition [OR, !Context dark, !Context lit]]": True,
    "[!Find [authentik_flows.flow, [slug, there]]]": True,
    "[!Find [authentik_flows.flow, [slug, door]]]": False,
    "[!Condition [NOT-NEEDED, true], false]": None,
    "[!If [!Context lit, false, true]]": False,
    "[!Find [authentik_core.brand, [domain, x]]]": False,
    "[!Find [authentik_core.group, [name, x]]]": False,
}


@pytest.mark.parametrize("conditions", CONDITIONS)
def test_conditions(store: Store, conditions: str) -> None:
    """An entry is skipped unless all its conditions are true; it cannot fulfil its own."""
    context = (
        "context: {lit: true, dark: false,"
        " licence: !Find [authentik_enterprise.license, [pk__isnull, false]]}\n"
    )
    entries = f"{flow('there')}{flow('door')}  conditions: {conditions}\n"
    is_stored = CONDITIONS[conditions]
    if is_stored is None:
        store.refuse(f"{context}entries:\n{entries}")
        return
    report = find_summary(store.load(f"{context}entries:\n{entries}"))
    assert ("door" in store.read().flows) == is_stored
    assert f" {0 if is_stored else 1} skipped" in report


def test_condition_on_the_own_entry_holds_when_it_exists(store: Store) -> None:
    """An entry that changes an object only if it exists leaves the first import alone."""
    change = (
        "- {model: authentik_flows.flow, conditions: [!Find [authentik_flows.flow, [slug, door]]],"
        " identifiers: {slug: door}, attrs: {background: /static/door.svg}}\n"
    )
    store.load(change)
    store.load(flow("door"))
    store.load(change)
    assert store.read().flows["door"]["background"] == "/static/door.svg"


TRUE = ("'true'", "True", "'TRUE'", "'t'", "'yes'", "'Y'", "'on'", "'On'", "1", "'1'", "true")
FALSE = ("'false'", "'False'", "'f'", "'no'", "'N'", "'off'", "0", "'0'", "false")
NOT_BOOLEAN = ("maybe", "2", "''", "[]", "{}", "null")
NUMBERS = {"'10'": 10, "' 10 '": 10, "10.0": 10, "'10.0'": 10, "-1": -1, "'-1'": -1, "0": 0}
NOT_NUMBERS = ("true", "ten", "''", "1.5", "'1.5'", "[]", "null", str(2**31), "'0x10'")


def list_prompts(name: str, values: Iterable[str]) -> str:
    """Return a prompt for each value of a field, on one line each."""
    return "".join(
        f"- {{model: authentik_stages_prompt.prompt, identifiers: {{name: p{number:02}}}, attrs:"
        f" {{field_key: a, label: a, type: text, {name}: {value}}}}}\n"
        for number, value in enumerate(values)
    )


def test_booleans_are_read_as_by_serializers(store: Store) -> None:
    """The words and numbers that authentik accepts are stored as booleans."""
    values = (*TRUE, *FALSE)
    store.load(list_prompts("required", values))
    prompts = store.read().prompts
    stored = [prompts[name]["required"] for name in sorted(prompts)]
    assert dict(zip(values, stored, strict=True)) == {value: value in TRUE for value in values}


def test_numbers_are_read_as_by_serializers(store: Store) -> None:
    """Strings of digits and whole fractions are integers."""
    store.load(list_prompts("order", NUMBERS))
    prompts = store.read().prompts
    stored = [prompts[name]["order"] for name in sorted(prompts)]
    assert dict(zip(NUMBERS, stored, strict=True)) == NUMBERS


@pytest.mark.parametrize(
    ("name", "values"), [("required", NOT_BOOLEAN), ("order", NOT_NUMBERS)], ids=str
)
def test_other_values_are_invalid(store: Store, name: str, values: Sequence[str]) -> None:
    """Each error names the field, and its line."""
    errors = sort_errors(store.refuse(list_prompts(name, values)))
    assert [line for line, _ in errors] == list(range(3, 3 + len(values)))
    assert all(f"'{name}'" in message for _, message in errors)


def test_strings_are_read_as_by_serializers(store: Store) -> None:
    """Numbers become strings, and spaces around them are removed."""
    store.load(
        "- {model: authentik_flows.flow, identifiers: {slug: 2024},"
        " attrs: {name: ' Gate ', title: 1.5, designation: recovery}}\n"
    )
    [row] = store.read().flows.values()
    assert (row["name"], row["title"]) == ("Gate", "1.5")


def test_settings_of_known_types_are_coerced(store: Store) -> None:
    """Settings of stages and policies are stored with the types of authentik's serializers."""
    store.load(
        "- {model: authentik_stages_password.passwordstage, identifiers: {name: p},"
        " attrs: {failed_attempts_before_cancel: '5', allow_show_password: 'yes'}}\n"
        "- {model: authentik_policies_password.passwordpolicy, identifiers: {name: length},"
        " attrs: {length_min: '10', check_zxcvbn: 'true', symbol_charset: 10,"
        " execution_logging: 'on'}}\n"
    )
    content = store.read()
    assert content.stages["p"]["settings"] == {
        "failed_attempts_before_cancel": 5,
        "allow_show_password": True,
    }
    assert content.policies["length"] == {
        "execution_logging": True,
        "model": "authentik_policies_password.passwordpolicy",
        "settings": {"length_min": 10, "check_zxcvbn": True, "symbol_charset": "10"},
    }


def test_settings_of_known_types_can_be_invalid(store: Store) -> None:
    """A serializer would refuse them as well."""
    [message, *_] = store.refuse(
        "- {model: authentik_stages_password.passwordstage, identifiers: {name: p},"
        " attrs: {failed_attempts_before_cancel: many}}\n"
    )
    assert "failed_attempts_before_cancel" in message


def test_settings_are_updated_one_by_one(store: Store) -> None:
    """Settings that a later entry does not contain keep their values."""
    stage = "- {model: authentik_stages_dummy.dummystage, identifiers: {name: bell}, attrs: "
    store.load(f"{stage}{{throw_error: true, note: [1]}}}}\n")
    report = find_summary(store.load(f"{stage}{{throw_error: false}}}}\n"))
    assert report.startswith("0 created, 1 updated, 0 unchanged")
    assert store.read().stages["bell"]["settings"] == {"throw_error": False, "note": [1]}
    report = find_summary(store.load(f"{stage}{{throw_error: 'no'}}}}\n"))
    assert report.startswith("0 created, 0 updated, 1 unchanged")


PROMPTS = (
    "- model: authentik_stages_prompt.prompt\n  identifiers: {pk: OTHER1, name: first}\n"
    "  attrs: {field_key: first, label: First, type: text, order: '5', required: 'no'}\n"
    "- model: authentik_stages_prompt.prompt\n  identifiers: {pk: OTHER2, name: second}\n"
    "  attrs: {field_key: second, label: Second, type: password}\n"
    "- model: authentik_stages_prompt.promptstage\n  identifiers: {pk: OTHER3, name: ask}\n"
    "  attrs: {fields: [OTHER1, OTHER2]}\n"
)


def number_keys(document: str, digit: str) -> str:
    """Replace the keys in a document."""
    for number in range(1, 6):
        document = document.replace(
            f"OTHER{number}", f"{digit * 8}-0000-4000-8000-00000000000{number}"
        )
    return document


def test_keys_of_other_installations(store: Store) -> None:
    """Keys in references, also in lists, stand for the objects of the entries with these keys."""
    document = (
        f"{PROMPTS}- model: authentik_flows.flow\n  identifiers: {{pk: OTHER4, slug: door}}\n"
        "  attrs: {name: Door, title: Door, designation: recovery}\n"
        "- model: authentik_flows.flowstagebinding\n"
        "  identifiers: {pk: OTHER5, target: OTHER4, stage: OTHER3, order: 0}\n"
    )
    store.load(number_keys(document, "a"))
    first = store.read()
    assert first.stages["ask"]["settings"] == {"fields": ["<prompt first>", "<prompt second>"]}
    assert first.prompts["first"]["order"] == 5
    assert first.prompts["first"]["required"] is False
    report = find_summary(store.load(number_keys(document, "b")))
    assert report.startswith("0 created, 0 updated, 5 unchanged, 0 deleted, 0 skipped")
    assert store.read() == first


def test_context_of_the_command_line(store: Store, tmp_path: Path) -> None:
    """A context file replaces and extends the file's context, and `--context` both, by strings."""
    values = tmp_path / "values.txt"
    document = (
        "context: {a: 1, b: {inner: [1], kept: true}, c: 1}\nentries:\n"
        f"{EXAMPLE}  attrs: {{a: !Context a, b: !Context b, c: !Context c, e: !Context e}}\n"
    )
    values.write_text("b: {inner: [2]}\nc: 3\n")
    store.load(
        document, options=["--context-file", str(values), "--context", "c=4", "--context", "e=a=b"]
    )
    assert read_example(store) == {
        "a": 1,
        "b": {"inner": [1, 2], "kept": True},
        "c": "4",
        "e": "a=b",
    }


def test_context_can_claim_a_licence(store: Store, tmp_path: Path) -> None:
    """The default context has no licence; a context file can override it."""
    values = tmp_path / "values.txt"
    values.write_text("goauthentik.io/enterprise/licensed: true\n")
    entry = f"{flow('door')}  conditions: [!Context goauthentik.io/enterprise/licensed]\n"
    store.load(entry)
    assert store.read().flows == {}
    store.load(entry, options=["--context-file", str(values)])
    assert list(store.read().flows) == ["door"]


@pytest.mark.parametrize("options", [("--context", "novalue"), ("--context-file", "missing.yaml")])
def test_invalid_context_of_the_command_line(store: Store, options: tuple[str, str]) -> None:
    """The error names the option or the file."""
    [message, *_] = store.refuse(flow("door"), options=options)
    assert "--context" in message or "missing.yaml" in message


def test_files(store: Store) -> None:
    """!File reads from the folder of the run, without white space around; a default is a warning."""
    (store.folder / "texts").mkdir()
    (store.folder / "texts" / "terms.txt").write_text("  Be nice. \n\n", encoding="utf-8")
    store.write(
        f"{EXAMPLE}  attrs: {{terms: !File texts/terms.txt, other: !File [texts/none.txt, none],"
        " nothing: !File texts/none.txt}\n"
    )
    process = store.run(store.folder)
    assert process.returncode == 0, process
    assert read_example(store) == {"terms": "Be nice.", "other": "none", "nothing": None}
    assert "none.txt" in process.stderr


def test_meta_entries_apply_other_files_first(store: Store) -> None:
    """A file comes after the files that its `metaapplyblueprint` entries name."""
    first = (
        "metadata: {name: outer}\nentries:\n- {model: authentik_blueprints.metaapplyblueprint,"
        " attrs: {identifiers: {name: inner}, required: true}}\n"
        f"{flow('door').replace('name: Gate', 'name: Outer')}"
    )
    inner = (
        f"metadata: {{name: inner}}\nentries:\n{flow('door').replace('name: Gate', 'name: Inner')}"
    )
    store.load(first, inner)
    assert store.read().flows["door"]["name"] == "Outer"


@pytest.mark.parametrize("is_required", [True, False])
def test_meta_entries_of_missing_files(store: Store, is_required: bool) -> None:  # noqa: FBT001 - a parameter
    """A required file that is not part of the run is a warning."""
    entry = (
        "- {model: authentik_blueprints.metaapplyblueprint,"
        f" attrs: {{identifiers: {{name: elsewhere}}, required: {str(is_required).lower()}}}}}\n"
    )
    messages = store.load(entry + flow("door"))
    assert any("elsewhere" in message for message in messages) == is_required
    assert list(store.read().flows) == ["door"]


WARNINGS = {
    "a typo": (
        flow("door").replace("title:", "tilte: x, title:"),
        ("'tilte'", "title", ":5:"),
    ),
    "a typo of a setting": (
        (
            "- {model: authentik_stages_password.passwordstage, identifiers: {name: p},\n"
            "   attrs: {allow_show_pasword: true}}\n"
        ),
        ("allow_show_pasword", "allow_show_password", ":4:"),
    ),
    "an unknown model": (
        "- {model: authentik_stages_dumy.dummystage, identifiers: {name: p}}\n",
        ("authentik_stages_dumy.dummystage", "authentik_stages_dummy.dummystage", ":3:"),
    ),
    "an unknown skipped model": (
        "- {model: authentik_core.aplication, identifiers: {slug: p}}\n",
        ("authentik_core.aplication", "authentik_core.application", ":3:"),
    ),
    "a slug twice": (
        flow("door") + flow("door").replace("name: Gate", "name: Again"),
        ("door", "1.yaml:7:"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings(store: Store, name: str) -> None:
    """The import goes on, and one message has the place, the name and the nearest known name."""
    document, words = WARNINGS[name]
    messages = store.load(document)
    assert any(all(word in message for word in words) for message in messages), messages


def test_foreign_models_are_no_warning(store: Store) -> None:
    """Only unknown models of authentik's own namespaces are."""
    assert len(store.load("- {model: example_app.widget, identifiers: {name: p}}\n")) == 1


def test_names_have_a_maximum_length(each_store: Store) -> None:
    """The indexes of PostgreSQL take the longest ones, also if they cannot be compressed."""
    generator = random.Random(1)
    long = "".join(chr(generator.randrange(0x20000, 0x2A6DF)) for _ in range(500))
    slug = "".join(generator.choices(string.ascii_letters + string.digits, k=500))
    entries = (
        f"- model: authentik_flows.flow\n  identifiers: {{slug: {slug}}}\n"
        f"  attrs: {{name: {long}, title: {long}, designation: recovery, background: {long}}}\n"
        f"- {{model: authentik_core.group, identifiers: {{name: {long}}}}}\n"
        f"- {{model: authentik_stages_dummy.dummystage, identifiers: {{name: {long}}}}}\n"
        f"- {{model: authentik_policies_dummy.dummypolicy, identifiers: {{name: {long}}}}}\n"
        f"- model: authentik_stages_prompt.prompt\n  identifiers: {{name: {long}}}\n"
        "  attrs: {field_key: a, label: A, type: text}\n"
    )
    each_store.load(entries)
    messages = each_store.refuse(entries.replace(long, f"{long}x").replace(slug, f"{slug}x"))
    assert sum("must not be longer than 500 characters" in line for line in messages) == 5


def test_all_errors_of_a_run_are_reported(store: Store) -> None:
    """Each has its file, line and column; the last message has their number."""
    stage = "- {model: authentik_stages_dummy.dummystage, identifiers: {name: !KeyOf nobody}}\n"
    files = ("entries: {", stage * 2, flow("door").replace("recovery", "burglary"), flow("fine"))
    [*errors, last] = store.refuse(*files)
    places = (error.removeprefix(f"{store.folder}/").split(":")[:3] for error in errors)
    assert sorted((name, line) for name, line, _ in places) == [
        ("1.yaml", "2"),
        ("2.yaml", "3"),
        ("2.yaml", "4"),
        ("3.yaml", "5"),
    ]
    assert "4" in last


def test_keep_going(store: Store) -> None:
    """Good files are imported, each by itself, although others are bad."""
    bad = flow("bad") + flow("worse").replace("recovery", "burglary")
    messages = store.load(
        flow("one"), "entries: [", bad, flow("two"), options=["--keep-going"], code=INVALID
    )
    assert sorted(store.read().flows) == ["one", "two"]
    assert all(
        any(message.startswith(f"{store.folder / name}:") for message in messages)
        for name in ("2.yaml", "3.yaml")
    )


REFERENCE = """\
- model: authentik_stages_redirect.redirectstage
  identifiers: {name: to-SLUG}
  attrs: {mode: flow, target_flow: !Find [authentik_flows.flow, [slug, SLUG]]}
"""


def refer(slug: str) -> str:
    """Return the entry of a stage that refers to a flow."""
    return REFERENCE.replace("SLUG", slug)


def test_keep_going_leaves_out_what_refers_to_invalid_files(store: Store) -> None:
    """Each of these files has one message, also if it refers to an invalid one through others."""
    bad = flow("bad").replace("recovery", "burglary")
    files = [
        flow("d"),
        refer("b") + flow("c"),
        refer("a") + flow("b"),
        bad + flow("a"),
        refer("d"),
    ]
    messages = store.load(*files, options=["--keep-going"], code=INVALID)
    omitted = [message for message in messages if "refers to" in message]
    assert omitted == [
        f"{store.folder}/2.yaml: refers to {store.folder}/3.yaml, which is not imported",
        f"{store.folder}/3.yaml: refers to {store.folder}/4.yaml, which is not imported",
    ]
    assert sorted(store.read().flows) == ["d"]
    assert sorted(store.read().stages) == ["to-d"]


def test_keep_going_imports_circles_of_files_together(store: Store) -> None:
    """Files that do not belong to the circle come before and after it."""
    files = [
        refer("a"),
        refer("b") + flow("a"),
        refer("c") + flow("b"),
        refer("a") + refer("d") + flow("c"),
        flow("d"),
    ]
    messages = store.load(*files, options=["--keep-going"])
    assert messages == ["8 created, 0 updated, 1 unchanged, 0 deleted, 0 skipped"]
    settings = [stage["settings"]["target_flow"] for stage in store.read().stages.values()]
    assert sorted(settings) == ["<flow a>", "<flow b>", "<flow c>", "<flow d>"]


PROMPT = (
    "- {model: authentik_stages_prompt.prompt,"
    " identifiers: {pk: 00000000-0000-4000-8000-00000000000f, name: word},"
    " attrs: {field_key: w, label: W, type: text}}\n"
)
# Values and conditions that refer to PROMPT, and the stored value.
REFERENCES_TO_FILES: Mapping[str, Any] = {
    "attrs: {a: [!Find [authentik_stages_prompt.prompt, [name, word]]]}": ["<prompt word>"],
    "attrs: {a: {b: 00000000-0000-4000-8000-00000000000f}}": {"b": "<prompt word>"},
    "attrs: {a: [00000000-0000-4000-8000-00000000000f]}": ["<prompt word>"],
    "attrs: {a: !If [!Find [authentik_stages_prompt.prompt, [name, word]], 1, 2]}": 1,
    "attrs: {a: !AtIndex [!FindObject [authentik_stages_prompt.prompt, [name, word]], label]}": "W",
    (
        "attrs: {a: 1}, conditions: [!Condition [OR, false,"
        " !Find [authentik_stages_prompt.prompt, [name, word]]]]"
    ): 1,
}


def test_keep_going_imports_files_after_those_that_they_refer_to(store: Store) -> None:
    """The result is that of one import, wherever in an entry the reference is."""
    files = [
        f"- {{model: authentik_stages_example.examplestage, identifiers: {{name: s{number}}}, {rest}}}\n"
        for number, rest in enumerate(REFERENCES_TO_FILES)
    ]
    store.load(*files, PROMPT, options=["--keep-going"])
    stages = store.read().stages
    stored = [stages[name]["settings"]["a"] for name in sorted(stages)]
    assert stored == list(REFERENCES_TO_FILES.values())


def test_keep_going_applies_other_files_first(store: Store) -> None:
    """Files come after those that they apply, and none of these is reported as missing."""
    outer = (
        "metadata: {name: outer}\nentries:\n- {model: authentik_blueprints.metaapplyblueprint,"
        " attrs: {identifiers: {name: inner}}}\n"
        f"{flow('door').replace('name: Gate', 'name: Outer')}"
    )
    inner = f"metadata: {{name: inner}}\nentries:\n{flow('door')}"
    [report] = store.load(outer, inner, options=["--keep-going"])
    assert report.startswith("1 created, 1 updated")
    assert store.read().flows["door"]["name"] == "Outer"


def test_comparisons_are_limited(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """References by other fields than names need comparisons with many objects."""
    monkeypatch.setattr(references, "MAX_COMPARISONS", 40)
    flows = "".join(flow(f"door{number}") for number in range(10))
    find = "!Find [authentik_flows.flow, [FIELD, Gate]]"
    examples = "".join(
        f"- {{model: authentik_stages_example.examplestage, identifiers: {{name: s{n}}}, attrs: {{a: {find}}}}}\n"
        for n in range(3)
    )
    store.load(flows + examples.replace("FIELD, Gate", "slug, door1"))
    for field in ("name", "name__startswith"):
        [message, *_] = store.refuse(flows + examples.replace("FIELD", field))
        assert message.startswith(f"{store.folder / '1.yaml'}:35:")
        assert "more than 40 comparisons" in message


def test_dry_run(store: Store) -> None:
    """It writes nothing, and prints what an import would create, change, delete and skip."""
    store.load(flow("door") + flow("old"))
    before = store.database.dump()
    paths = store.write(
        f"{flow('door').replace('title: Gate', 'title: New title')}{flow('another')}"
        "- {model: authentik_flows.flow, state: absent, identifiers: {slug: old}}\n"
        "- {model: authentik_brands.brand, identifiers: {domain: x}}\n"
    )
    process = store.run(*paths, "--dry-run")
    assert process.returncode == 0, process
    assert store.database.dump() == before
    output = process.stdout + process.stderr
    for word in ("door", "Gate", "New title", "another", "old", "authentik_brands.brand"):
        assert word in output


def test_files_of_a_folder(store: Store) -> None:
    """Hidden files and folders and other endings are left out; the case of endings is not."""
    for name in ("a.yml", "b.YAML", "deep/c.Yml"):
        (store.folder / name).parent.mkdir(exist_ok=True)
        (store.folder / name).write_text(HEAD + flow(Path(name).stem))
    for name in (".hidden.yaml", ".folder/x.yaml", "deep/.x.yml", "notes.txt", "x.yaml.bak"):
        (store.folder / name).parent.mkdir(exist_ok=True)
        (store.folder / name).write_text("no blueprint")
    assert store.run(store.folder).returncode == 0
    assert sorted(store.read().flows) == ["a", "b", "c"]


def test_special_files_are_refused_at_once(store: Store) -> None:
    """A FIFO is not opened, which would wait for a writer."""
    os.mkfifo(store.folder / "pipe.yaml")
    for path in (store.folder / "pipe.yaml", Path("/dev/zero")):
        process = store.run(path)
        assert process.returncode == INVALID
        [message] = split_messages(process.stderr)
        assert str(path) in message
