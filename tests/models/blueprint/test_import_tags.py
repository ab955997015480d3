"""Tags as values, and conditions."""

from collections.abc import Mapping
from typing import Any

import pytest

from support.blueprints import HEAD
from support.import_entries import EXAMPLE, STAGE, flow, read_example, sort_errors
from support.imports import Store, find_summary

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
