"""The order of entries and files does not matter where their dependencies allow one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.blueprints import HEAD, BlueprintDatabase, copy_blueprint_database
from support.imports import Content, Store, find_summary

# 10 by default, and 200 in the full profile.
PERMUTATIONS = hypothesis.settings().max_examples // 10
FILE_COUNT = 4
PLACES = st.integers(0, FILE_COUNT - 1)
KEY = "fb000000-0000-4000-8000-00000000000"
# Each entry may refer to any other of the same file.
CONNECTED = """\
- {model: authentik_flows.flow, id: door, identifiers: {pk: KEY1, slug: door}, attrs: {name: Door, title: Door, designation: recovery}}
- {model: authentik_flows.flow, id: side, identifiers: {slug: side}, attrs: {name: Side, title: !AtIndex [!FindObject [authentik_flows.flow, [slug, door]], title], designation: recovery}}
- {model: authentik_stages_dummy.dummystage, id: bell, identifiers: {name: bell}}
- {model: authentik_stages_prompt.prompt, id: word, identifiers: {name: word}, attrs: {field_key: w, label: W, type: text}}
- {model: authentik_stages_prompt.promptstage, id: ask, identifiers: {pk: KEY2, name: ask}, attrs: {fields: [!KeyOf word], validation_policies: [!KeyOf rule]}}
- {model: authentik_policies_dummy.dummypolicy, id: rule, identifiers: {name: rule}}
- {model: authentik_core.group, id: staff, identifiers: {name: staff}}
- {model: authentik_core.user, id: ann, identifiers: {username: ann}, attrs: {name: Ann}}
- {model: authentik_flows.flowstagebinding, id: ring, identifiers: {target: !KeyOf door, stage: !KeyOf bell, order: 0}}
- {model: authentik_flows.flowstagebinding, id: answer, identifiers: {target: KEY1, stage: KEY2, order: 1}}
- {model: authentik_flows.flowstagebinding, identifiers: {target: !Find [authentik_flows.flow, [slug, side]], stage: !KeyOf ask, order: 2}}
- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf ring, order: 0}, attrs: {policy: !KeyOf rule}}
- {model: authentik_policies.policybinding, identifiers: {target: !Find [authentik_flows.flowstagebinding, [target__slug, door], [order, 1]], order: 0}, attrs: {group: !KeyOf staff}}
- {model: authentik_policies.policybinding, identifiers: {target: KEY1, order: 0}, attrs: {user: !Find [authentik_core.user, [username, ann]]}}
- {model: authentik_policies.policybinding, state: created, identifiers: {target: !KeyOf side, order: 0}, attrs: {group: !Find [authentik_core.group, [name, staff]]}}
""".splitlines(keepends=True)
FINDS = {
    "door": "!Find [authentik_flows.flow, [slug, door]]",
    "side": "!Find [authentik_flows.flow, [slug, side]]",
    "bell": "!Find [authentik_stages_dummy.dummystage, [name, bell]]",
    "word": "!Find [authentik_stages_prompt.prompt, [name, word]]",
    "ask": "!Find [authentik_flows.stage, [name, ask]]",
    "rule": "!Find [authentik_policies.policy, [name, rule]]",
    "staff": "!Find [authentik_core.group, [name, staff]]",
    "ann": "!Find [authentik_core.user, [username, ann]]",
    "ring": (
        "!Find [authentik_flows.flowstagebinding, [target, !Find [authentik_flows.flow,"
        " [slug, door]]], [stage__name, bell]]"
    ),
}


def use_keys(entry: str) -> str:
    """Replace the keys in an entry."""
    return entry.replace("KEY", KEY)


def use_finds(entry: str) -> str:
    """Replace references to ids, which are valid in one file only."""
    for name, find in FINDS.items():
        entry = entry.replace(f"!KeyOf {name}", find)
    return entry


@dataclass(frozen=True, slots=True)
class Imports:
    """Imports of files, each into a new database."""

    template: BlueprintDatabase
    folder: Path
    numbers: Iterator[int]

    def read(self, files: Sequence[str]) -> Content:
        """Import files; check that a second import changes nothing, and return the content."""
        folder = self.folder / str(next(self.numbers))
        folder.mkdir()
        store = Store(copy_blueprint_database(self.template, folder), folder)
        total = sum(file.count("- {model") for file in files)
        report = find_summary(store.load(*files))
        assert report.startswith(f"{total} created, 0 updated, 0 unchanged, 0 deleted, 0 skipped")
        report = find_summary(store.load(*files))
        assert report.startswith(f"0 created, 0 updated, {total} unchanged, 0 deleted, 0 skipped")
        return store.read()


@pytest.fixture(scope="module")
def imports(
    sqlite_template: BlueprintDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Imports:
    """Imports into SQLite databases."""
    return Imports(sqlite_template, tmp_path_factory.mktemp("imports"), count())


@pytest.fixture(scope="module")
def expected(imports: Imports) -> Content:
    """The content after an import in the natural order."""
    return imports.read(["".join(map(use_keys, CONNECTED))])


def test_natural_order(expected: Content) -> None:
    """All references are resolved."""
    assert expected.steps == [("door", 0, "bell"), ("door", 1, "ask"), ("side", 2, "ask")]
    assert expected.gates == [
        ("door", 0, "user ann"),
        ("door/ask/1", 0, "group staff"),
        ("door/bell/0", 0, "policy rule"),
        ("side", 0, "group staff"),
    ]
    assert expected.flows["side"]["title"] == "Door"
    fields = {"fields": ["<prompt word>"], "validation_policies": ["<policy rule>"]}
    assert expected.stages["ask"]["settings"] == fields


@hypothesis.settings(max_examples=PERMUTATIONS)
@given(entries=st.permutations(CONNECTED))
def test_entries_in_any_order(imports: Imports, expected: Content, entries: Sequence[str]) -> None:
    """The content of the database is the same."""
    assert imports.read(["".join(map(use_keys, entries))]) == expected


@hypothesis.settings(max_examples=PERMUTATIONS)
@given(entries=st.permutations(CONNECTED), places=st.lists(PLACES, min_size=20, max_size=20))
def test_files_in_any_order(
    imports: Imports, expected: Content, entries: Sequence[str], places: Sequence[int]
) -> None:
    """Entries refer to objects of other files by `!Find` and by key."""
    files = [HEAD] * FILE_COUNT
    for entry, place in zip(entries, places, strict=False):
        files[place] += use_finds(use_keys(entry))
    assert imports.read(files) == expected


def test_circles_are_invalid(store: Store) -> None:
    """Entries that need each other are errors, one for each."""
    title = "title: !AtIndex [!FindObject [authentik_flows.flow, [slug, OTHER]], title]"
    entry = (
        "- {model: authentik_flows.flow, identifiers: {slug: SLUG},"
        f" attrs: {{name: A, {title}, designation: recovery}}}}\n"
    )
    messages = store.refuse(
        entry.replace("SLUG", "a").replace("OTHER", "b")
        + entry.replace("SLUG", "b").replace("OTHER", "a")
    )
    assert all(any(f"1.yaml:{line}:" in message for message in messages) for line in (3, 4))


STAGE = (
    "- {model: authentik_stages_dummy.dummystage, id: NAME, identifiers: {name: NAME},"
    " attrs: {other: VALUE}}\n"
)
FIND_STAGE = "!Find [authentik_flows.stage, [name, NAME]]"


def stage(name: str, value: str) -> str:
    """Return the entry of a stage with a setting."""
    return STAGE.replace("NAME", name).replace("VALUE", value)


def test_circle_of_key_of(store: Store) -> None:
    """One error says which entry refers back; an entry without an error of its own has none."""
    [message, *_] = store.refuse(
        stage("a", "!KeyOf b") + stage("b", "!KeyOf c") + stage("c", "!KeyOf b")
    )
    assert message.startswith(f"{store.folder / '1.yaml'}:4:")
    assert message.endswith("refers to !KeyOf c, which needs this entry first (entry 'b')")


def test_a_flow_is_deleted_after_the_bindings_that_refer_to_it(store: Store) -> None:
    """A policy binding finds the stage binding by other attributes than its key."""
    find = "!Find [authentik_flows.flowstagebinding, [target__slug, f], [stage__name, NAME], [order, 0]]"
    flow = "{model: authentik_flows.flow, identifiers: {slug: f}"
    policy = "policy: !Find [authentik_policies.policy, [name, p]], order: 0"
    store.load(
        stage("s", "1")
        + "- {model: authentik_policies_dummy.dummypolicy, identifiers: {name: p}}\n"
        f"- {flow}, attrs: {{name: f, title: f, designation: recovery}}}}\n"
        "- {model: authentik_flows.flowstagebinding, identifiers: {target: !Find"
        " [authentik_flows.flow, [slug, f]], stage: !Find [authentik_flows.stage, [name, s]],"
        " order: 0}}\n"
        "- {model: authentik_policies.policybinding, state: absent, identifiers:"
        f" {{target: {find.replace('NAME', 'none')}, {policy}}}}}\n"
        "- {model: authentik_policies.policybinding, identifiers:"
        f" {{target: {find.replace('NAME', 's')}, {policy}}}}}\n"
        f"- {flow}, state: absent}}\n"
    )
    content = store.read()
    assert (content.flows, content.steps, content.gates) == ({}, [], [])


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize(
    "reference", ["!KeyOf b", "!AtIndex [!FindObject [authentik_flows.stage, [name, b]], pk]"]
)
def test_entries_that_refer_to_a_circle(store: Store, reference: str, is_last: bool) -> None:  # noqa: FBT001 - a parameter
    """The first entry of the circle finds nothing, but others find all entries of the circle."""
    circle = stage("b", FIND_STAGE.replace("NAME", "c")) + stage("c", "!KeyOf b")
    other = stage("a", reference)
    store.load(circle + other if is_last else other + circle)
    stages = store.read().stages
    settings = {name: stages[name]["settings"]["other"] for name in "abc"}
    assert settings == {"a": "<stage b>", "b": None, "c": "<stage b>"}


def test_objects_are_described_as_all_files_make_them(store: Store) -> None:
    """`!FindObject` has the new value of a stored object that a later file changes."""
    value = "!AtIndex [!FindObject [authentik_flows.stage, [name, b]], other]"
    store.load(stage("b", "1"))
    for _ in range(2):
        store.load(stage("a", value), stage("b", "2"))
        assert store.read().stages["a"]["settings"] == {"other": 2}


def test_entries_whose_keys_are_tags(store: Store) -> None:
    """An entry whose id and model are tags can wait, and others can wait for it."""
    tagged = (
        stage("b", FIND_STAGE.replace("NAME", "c"))
        .replace("id: b", "id: !Format [b]")
        .replace("model: authentik_stages_dummy.dummystage", "model: !Format [authentik_stages_dummy.dummystage]")
    )  # fmt: skip
    store.load(stage("a", "!KeyOf b") + tagged, stage("c", "1"))
    assert store.read().stages["a"]["settings"] == {"other": "<stage b>"}
