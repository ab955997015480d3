"""An invalid entry is an error with file, line, column and reason, and nothing is written."""

from pathlib import Path

import pytest

from models.errors import BlueprintError
from support.blueprints import (
    BINDING,
    FLOW,
    FLOW_PK,
    HEAD,
    OTHER_PK,
    POLICY_BINDING,
    STAGE,
    STAGE_PK,
    BlueprintDatabase,
    write_blueprint,
)

FLOW_BINDING = f"{POLICY_BINDING}target: {FLOW_PK}, order: 1}}\n  attrs: "
UNKNOWN_PK = OTHER_PK[:-1] + "e"
STAGE_BINDING = f"{BINDING}order: 1, target: "
# Entries, and the place and the reason of each error. The first line of an entry is 1.
ENTRIES: dict[str, tuple[str, str]] = {
    STAGE + "attrs: {name: x}": (
        "1:3",
        "'identifiers' must contain at least one field, such as 'pk'",
    ),
    STAGE + "identifiers: {uid: x}": ("1:3", "'name' is required"),
    STAGE + "identifiers: {name: x}\n  state: gone": (
        "3:3",
        "'state' must be one of present, created, must_created, absent",
    ),
    STAGE + "identifiers: {name: base-stage}\n  state: must_created": (
        "3:3",
        "the stage already exists, which the state 'must_created' does not allow",
    ),
    STAGE + "identifiers: {name: x}\n  conditions: [!KeyOf x]": (
        "3:16",
        "'conditions' refers to !KeyOf x, but this file has no such entry",
    ),
    FLOW + "{name: x, title: x}": ("1:3", "'designation' is required"),
    FLOW + "{name: x, designation: recovery}": ("1:3", "'title' is required"),
    FLOW + "{}": ("1:3", "'name' is required"),
    FLOW + "\n    title: x\n    name: ' '": ("5:5", "'name' must not be empty"),
    FLOW + "{name: }": ("3:11", "'name' must not be null"),
    FLOW + "{name: [x]}": ("3:11", "'name' must be a string"),
    FLOW + "{name: 2024-01-01}": ("3:11", "'name' must be a string"),
    FLOW + "{name: !!binary aGk=}": ("3:11", "'name' must be a string"),
    FLOW + "{name: !Context x}": ("3:11", "'name' must not be null"),
    FLOW + '{name: "\\0"}': ("3:11", "'name' must not contain NUL characters or surrogates"),
    FLOW.replace("new", "ü") + "{}": (
        "2:17",
        "'slug' must be a slug of letters, digits, '-' and '_', not 'ü'",
    ),
    FLOW + "{layout: ''}": (
        "3:11",
        (
            "'layout' must be one of stacked, content_left, content_right, sidebar_left, sidebar_right,"
            " sidebar_left_frame_background, sidebar_right_frame_background, not ''"
        ),
    ),
    FLOW + "{policy_engine_mode: !Format [most]}": (
        "3:11",
        "'policy_engine_mode' must be one of all, any",
    ),
    FLOW + "{compatibility_mode: maybe}": (
        "3:11",
        "'compatibility_mode' must be true or false, not 'maybe'",
    ),
    STAGE_BINDING + f"{FLOW_PK}, order: {2**31}}}": (
        "2:118",
        "'order' must be a 32-bit integer, not 2147483648",
    ),
    FLOW_BINDING + "{timeout: -1}": (
        "3:11",
        "'timeout' must be an integer from 0 to 2147483647, not -1",
    ),
    STAGE + "identifiers: {pk: 12}": ("2:17", "'pk' must be a UUID, not '12'"),
    STAGE + "identifiers: {pk: [x]}": ("2:17", "'pk' must be a UUID"),
    STAGE_BINDING + "x}": ("2:72", "'target' refers to 'x', which is not in this database"),
    STAGE_BINDING + f"{UNKNOWN_PK}}}": (
        "2:72",
        f"'target' refers to '{UNKNOWN_PK}', which is not in this database",
    ),
    STAGE_BINDING + f"{STAGE_PK}}}": (
        "2:72",
        f"'target' refers to '{STAGE_PK}', which is not in this database",
    ),
    STAGE_BINDING + "!KeyOf x}": (
        "2:80",
        "'target' refers to !KeyOf x, but this file has no such entry",
    ),
    STAGE_BINDING + "}": ("2:72", "'target' must not be null"),
    STAGE_BINDING + "[]}": ("2:72", "'target' must be a reference or a primary key"),
    STAGE_BINDING + "!Find [authentik_flows.flow, [slug, x], [name, !Context y]]}": (
        "2:72",
        "'target' matches no authentik_flows.flow with slug = x and name = …",
    ),
    STAGE_BINDING + "!Find [authentik_flows.flow, [pk, x]]}": (
        "2:72",
        "'target' matches no authentik_flows.flow with pk = x",
    ),
    STAGE_BINDING + "!Find [authentik_flows.flow, [cache, 1]]}": (
        "2:80",
        "'target' uses the field 'cache', which a flow does not have",
    ),
    STAGE_BINDING + "!Find [authentik_flows.stage, [name, base-stage]]}": (
        "2:72",
        "'target' refers to a stage; expected a flow",
    ),
    STAGE_BINDING + "!Find [authentik_core.application, [slug, x]]}": (
        "2:72",
        "'target' refers to authentik_core.application, which FlowQL does not store",
    ),
    f"- model: authentik_flows.flowstagebinding\n  identifiers: {{target: {FLOW_PK}, order: 1,\n"
    "    stage: !Find [authentik_stages_email.emailstage, [name, base-stage]]}": (
        "3:5",
        "'stage' matches no authentik_stages_email.emailstage with name = base-stage",
    ),
    f"- model: authentik_policies.policybinding\n  identifiers: {{target: {FLOW_PK}, order: 1}}": (
        "1:3",
        "exactly one of 'policy', 'group' and 'user' is required",
    ),
    f"- model: authentik_flows.flow\n  identifiers: {{pk: {OTHER_PK}}}\n"
    "  attrs: {name: x, title: x, slug: base, designation: recovery}": (
        "3:30",
        "duplicate: another flow has the same slug",
    ),
    "- model: authentik_flows.flowstagebinding\n"
    f"  identifiers: {{pk: {OTHER_PK}}}\n"
    f"  attrs: {{target: {FLOW_PK}, stage: {STAGE_PK}, order: -1}}": (
        "3:102",
        "duplicate: another stage binding has the same target, stage, order",
    ),
    "- id: x-1\n  identifiers: {name: base-stage}\n  model: authentik_stages_email.emailstage": (
        "3:3",
        "this stage already has the model authentik_stages_dummy.dummystage (entry 'x-1')",
    ),
    STAGE + f"identifiers: {{pk: {STAGE_PK}, name: first}}": (
        "1:3",
        "'identifiers' match two rows: one by 'pk', one by the others",
    ),
}


def test_all_invalid_entries_are_errors_with_place_and_reason(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Nothing is written, neither of this file nor of valid ones before and after it."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_blueprint(folder / "first.yaml", f"{STAGE}identifiers: {{name: first}}\n")
    file = write_blueprint(folder / "second.yaml", "".join(f"{entry}\n" for entry in ENTRIES))
    write_blueprint(folder / "third.yaml", f"{STAGE}identifiers: {{name: third}}\n")
    before = base_database.dump()
    with pytest.raises(BlueprintError) as errors:
        base_database.load(folder)
    expected = list_messages(file)
    messages = errors.value.messages
    # Many of the flows also lack required fields.
    others = [message for message in messages if message not in expected]
    assert [message for message in messages if message in expected] == expected
    assert all(message.endswith(" is required") for message in others)
    assert base_database.dump() == before


def test_entry_reports_all_invalid_and_missing_fields(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """Each has its place; a missing field has that of the entry."""
    entry = "- {model: authentik_flows.flow, id: x, identifiers: {slug: x}, attrs: {name: '', layout: y}}"
    file = write_blueprint(tmp_path / "flow.yaml", f"{entry}\n")
    with pytest.raises(BlueprintError) as errors:
        base_database.load(file)
    places = [message.removeprefix(f"{file}:").split(" ")[:2] for message in errors.value.messages]
    assert places == [
        ["3:3:", "'title'"],
        ["3:3:", "'designation'"],
        ["3:72:", "'name'"],
        ["3:82:", "'layout'"],
    ]


def list_messages(file: Path) -> list[str]:
    """Return the messages of the errors of all entries."""
    start = len(HEAD.splitlines())
    messages: list[str] = []
    for entry, (place, reason) in ENTRIES.items():
        line, column = place.split(":")
        messages.append(f"{file}:{start + int(line)}:{column}: {reason}")
        start += len(entry.splitlines())
    return messages


def test_entry_that_refers_to_an_invalid_one_is_not_judged(
    base_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """It has no error of its own, or one that names the place of the other, in another file."""
    other = write_blueprint(
        tmp_path / "other.yaml",
        f"- {{model: authentik_stages_dummy.dummystage, id: s, identifiers: {{pk: {OTHER_PK}}},"
        " attrs: {name: base-stage}}\n"
        "- {model: authentik_flows.flowstagebinding,"
        f" identifiers: {{target: {FLOW_PK}, stage: {OTHER_PK}, order: 1}}}}\n"
        "- {model: authentik_flows.flowstagebinding,"
        f" identifiers: {{target: {FLOW_PK}, stage: !KeyOf s, order: 2}}}}\n",
    )
    binding = f"{STAGE_BINDING}{FLOW_PK}, order: 3}}\n".replace(STAGE_PK, OTHER_PK)
    file = write_blueprint(tmp_path / "binding.yaml", binding)
    with pytest.raises(BlueprintError) as errors:
        base_database.load(file, other)
    assert errors.value.messages == [
        f"{other}:3:118: duplicate: another stage has the same name (entry 's')",
        f"{file}:3:3: refers to the invalid entry at {other}:3",
    ]


def test_unreadable_path_is_an_error_with_the_path(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A missing file and a folder without blueprints are errors, both at once."""
    missing, empty = tmp_path / "missing.yaml", tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BlueprintError) as errors:
        blueprint_database.load(missing, empty)
    assert errors.value.messages == [
        f"{missing}: No such file or directory",
        f"{empty}: the folder contains no .yaml or .yml file",
    ]
