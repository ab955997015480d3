"""Runs of imports: contexts, files, warnings, errors, `--keep-going` and `--dry-run`."""

import os
import random
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.blueprint.planning import references
from support.blueprints import HEAD
from support.import_entries import (
    EXAMPLE,
    flow,
    read_example,
    refer,
)
from support.imports import INVALID, Store, split_messages


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
