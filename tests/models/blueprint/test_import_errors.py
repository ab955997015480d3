"""An invalid blueprint is an error with file, line and reason, and the import writes nothing."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from models.blueprint.importer import import_blueprints
from models.database import Database, open_database
from models.errors import BlueprintError
from support.blueprints import (
    BASE,
    BINDING,
    FLOW,
    FLOW_PK,
    HEAD,
    OTHER_PK,
    POLICY_BINDING,
    STAGE,
    STAGE_PK,
    BlueprintDatabase,
    copy_blueprint_database,
    dump_tables,
    write_blueprint,
)
from support.postgres import PostgresServer

NESTED_ALIASES = "".join(
    f"- &l{n + 1} [{', '.join([f'*l{n}'] * 10)}]\n" if n else "- &l1 [lol]\n" for n in range(20)
)
NESTED_MERGES = "".join(
    f"  m{n + 1}: &m{n + 1} {{<<: [{', '.join([f'*m{n}'] * 10)}]}}\n" for n in range(1, 20)
)
WHOLE_FILES: dict[str, tuple[str | bytes, int, str]] = {
    "invalid YAML": ("version: 1\nentries: [", 2, "but found '<stream end>'"),
    "not UTF-8": (b"version: 1\n# \xff\n", 2, "the file is not encoded in UTF-8"),
    "UTF-16": (HEAD.encode("utf-16"), 1, "the file is not encoded in UTF-8"),
    "a tab": (
        "version: 1\nentries:\n\t- x",
        3,
        "found character '\\t' that cannot start any token",
    ),
    "a NUL": ("version: 1\n# \0", 2, "YAML does not allow this character: "),
    "anchors": ("version: 1\nx: &a 1\ny: &a 2", 3, "found duplicate anchor 'a'"),
    "an alias": ("version: 1\nx: *a", 2, "found undefined alias 'a'"),
    "two documents": (f"{HEAD}- 1\n---\n{HEAD}- 1", 4, "expected a single document"),
    "depth": (f"version: 1\nentries: {'[' * 5000}", 1, "the document is nested too deeply"),
    "nothing": ("", 1, "not a blueprint"),
    "a comment": ("# nothing\n", 1, "not a blueprint"),
    "a list": ("\n- version: 1", 2, "not a blueprint"),
    "a string": ("version 1", 1, "not a blueprint"),
    "no version": ("entries: []", 1, "unsupported blueprint: expected 'version: 1'"),
    "version 2": ("entries: []\nversion: 2", 2, "unsupported blueprint: expected 'version: 1'"),
    "version '1'": ("version: '1'", 1, "unsupported blueprint: expected 'version: 1'"),
    "no entries": ("version: 1", 1, "'entries' must be a list"),
    "empty entries": ("version: 1\nentries:", 2, "'entries' must be a list"),
    "a mapping": ("version: 1\nentries: {a: []}", 2, "'entries' must be a list"),
    "nested aliases": (f"{HEAD}{NESTED_ALIASES}", 3, "an entry must be a mapping"),
    "nested merges": (
        f"{HEAD}- model: a.b\n  m1: &m1 {{lol: 1}}\n{NESTED_MERGES}",
        8,
        "'<<' merges more than 1000 keys",
    ),
}
ENTRIES: dict[str, tuple[str, str]] = {
    "a string": ("- flow", "an entry must be a mapping"),
    "no model": (
        "- {identifiers: {slug: x}}",
        "an entry requires a 'model' such as authentik_flows.flow",
    ),
    "a list as model": (
        "- {model: [authentik_flows.flow]}",
        "an entry requires a 'model' such as authentik_flows.flow",
    ),
    "half a model": ("- {model: flow}", "an entry requires a 'model' such as authentik_flows.flow"),
    "a list as attrs": ("- {model: a.b, attrs: [x]}", "'attrs' must be a mapping"),
    "a string as identifiers": (
        "- {model: a.b, identifiers: x}",
        "'identifiers' must be a mapping",
    ),
    "a list as id": ("- {model: a.b, id: [x]}", "'id' must be a string"),
    "a tag as state": ("- {model: a.b, state: !Context x}", "'state' must be a string"),
    "a number as conditions": ("- {model: a.b, conditions: 5}", "'conditions' must be a list"),
    "no identifiers": (
        STAGE + "attrs: {name: x}",
        "'identifiers' must contain at least one of 'pk', 'name'",
    ),
    "unknown identifiers": (
        STAGE + "identifiers: {uid: x}",
        "'identifiers' must contain at least one of 'pk', 'name'",
    ),
    "a state": (
        STAGE + "identifiers: {name: x}\n  state: absent",
        "state 'absent' is not supported; expected 'present'",
    ),
    "a condition": (
        STAGE + "identifiers: {name: x}\n  conditions: [!Context x]",
        "'conditions' use tags, which are not supported",
    ),
    "a found condition": (
        STAGE + "identifiers: {name: x}\n  conditions: [!Find [a.b, [c, d]]]",
        "'conditions' use tags, which are not supported",
    ),
    "no designation": (FLOW + "{name: x, title: x}", "'designation' is required"),
    "no title": (FLOW + "{name: x, designation: recovery}", "'title' is required"),
    "no attrs": (FLOW + "{}", "'name' is required"),
    "an empty name": (FLOW + "{name: ' '}", "'name' must not be empty"),
    "a null name": (FLOW + "{name: }", "'name' must be a string"),
    "a list as name": (FLOW + "{name: [x]}", "'name' must be a string"),
    "a date as name": (FLOW + "{name: 2024-01-01}", "'name' must be a string"),
    "bytes as name": (FLOW + "{name: !!binary aGk=}", "'name' must be a string"),
    "a tag as name": (FLOW + "{name: !Context x}", "'name' uses the tag !Context, which is not"),
    "a tag with a line break": (
        FLOW + "{name: !a%0Ab x}",
        r"'name' uses the tag !a\nb, which is not",
    ),
    "a reference as name": (FLOW + "{name: !KeyOf x}", "'name' must be a string"),
    "a NUL": (FLOW + '{name: "\\0"}', "'name' must not contain NUL characters or surrogates"),
    "a surrogate": (
        FLOW + '{name: "\\ud800"}',
        "'name' must not contain NUL characters or surrogates",
    ),
    "a slug": (
        STAGE.replace("stages_dummy.dummystage", "flows.flow") + "identifiers: {slug: ü}",
        "'slug' is 'ü'; expected letters, digits, '-' and '_'",
    ),
    "an enum": (
        FLOW + "{designation: login}",
        "'designation' is 'login'; expected one of authentication, ",
    ),
    "an empty enum": (FLOW + "{layout: ''}", "'layout' is ''; expected one of stacked, "),
    "an engine mode": (
        FLOW + "{policy_engine_mode: most}",
        "'policy_engine_mode' is 'most'; expected one of",
    ),
    "a boolean": (FLOW + "{compatibility_mode: 1}", "'compatibility_mode' must be true or false"),
    "a boolean as a string": (
        FLOW + "{compatibility_mode: 'no'}",
        "'compatibility_mode' must be true or false",
    ),
    "a huge number": (
        BINDING + f"target: {FLOW_PK}, order: {2**31}}}",
        "'order' must be a 32-bit integer",
    ),
    "a fraction": (
        BINDING + f"target: {FLOW_PK}, order: 1.0}}",
        "'order' must be a 32-bit integer",
    ),
    "a negative timeout": (
        POLICY_BINDING + f"target: {FLOW_PK}, order: 1}}\n  attrs: {{timeout: -1}}",
        "'timeout' must not be negative",
    ),
    "a key": (STAGE + "identifiers: {pk: 12}", "'pk' is 12; expected a UUID"),
    "a list as key": (STAGE + "identifiers: {pk: [x]}", "'pk' must be a string"),
    "an invalid key": (BINDING + "target: x, order: 1}", "'target' is 'x'; expected a UUID"),
    "an unknown key": (
        BINDING + f"target: {OTHER_PK}, order: 1}}",
        "which is not in this database",
    ),
    "another kind's key": (
        BINDING + f"target: {STAGE_PK}, order: 1}}",
        "'target' refers to '51000000",
    ),
    "an unknown id": (
        BINDING + "target: !KeyOf x, order: 1}",
        "'target' refers to !KeyOf x, but this file has no such entry",
    ),
    "a null target": (BINDING + "target: , order: 1}", "'target' must not be null"),
    "nothing found": (
        BINDING + "target: !Find [authentik_flows.flow, [slug, x], [name, y]], order: 1}",
        "'target' matches no authentik_flows.flow with slug = 'x', name = 'y'",
    ),
    "nothing found of a type": (
        (
            f"- model: authentik_flows.flowstagebinding\n  identifiers: {{target: {FLOW_PK}, order: 1, "
            "stage: !Find [authentik_stages_email.emailstage, [name, base-stage]]}"
        ),
        "'stage' matches no authentik_stages_email.emailstage with name = 'base-stage'",
    ),
    "another kind found": (
        BINDING + "target: !Find [authentik_flows.stage, [name, base-stage]], order: 1}",
        "'target' refers to a Stage; expected a Flow",
    ),
    "an unsupported kind found": (
        BINDING + "target: !Find [authentik_core.application, [slug, x]], order: 1}",
        "'target' refers to authentik_core.application, which FlowQL does not store",
    ),
    "a find by a lookup": (
        BINDING + "target: !Find [authentik_flows.flow, [slug__iexact, base]], order: 1}",
        "'target' uses !Find with the field 'slug__iexact', which is not supported",
    ),
    "a find by an unsupported field": (
        BINDING + "target: !Find [authentik_flows.flow, [cache, 1]], order: 1}",
        "'target' uses !Find with the field 'cache', which is not supported",
    ),
    "a find through a parent": (
        BINDING + "target: !Find [authentik_policies.policybinding, [target__slug, x]], order: 1}",
        "'target' uses !Find with the field 'target__slug', which is not supported",
    ),
    "a find by an invalid key": (
        BINDING + "target: !Find [authentik_flows.flow, [pk, x]], order: 1}",
        "'target' is 'x'; expected a UUID",
    ),
    "a find of a user by a string": (
        POLICY_BINDING + "user: !Find [authentik_core.user, [pk, x]], order: 1}",
        "'user' must be a 32-bit integer",
    ),
    "a find with a tag": (
        BINDING + "target: !Find [authentik_flows.flow, [slug, !Context x]], order: 1}",
        "'target' uses the tag !Context, which is not supported",
    ),
    "a binding of nothing": (
        f"- model: authentik_policies.policybinding\n  identifiers: {{target: {FLOW_PK}, order: 1}}",
        "exactly one of 'policy', 'group' and 'user' is required",
    ),
    "a duplicate slug": (
        (
            f"- model: authentik_flows.flow\n  identifiers: {{pk: {OTHER_PK}}}\n"
            "  attrs: {slug: base, name: x, title: x, designation: recovery}"
        ),
        "duplicate: another row has the same key, slug or name, or binds the same objects",
    ),
    "a name of another type": (
        STAGE.replace("dummy", "email") + "identifiers: {name: base-stage}",
        "this row already has the model authentik_stages_dummy.dummystage",
    ),
    "two rows": (
        STAGE + f"identifiers: {{pk: {STAGE_PK}, name: first}}",
        "'identifiers' match several rows; expected one row",
    ),
}
# Values that cannot be parsed are errors even in fields that are not stored.
VALUES = {
    "2024-13-01": "invalid timestamp value",
    "!!int x": "invalid int value",
    "!!bool x": "invalid bool value",
    "9" * 5000: "invalid int value",
    "!!python/name:os.system": "could not determine a constructor",
    "!KeyOf [x]": "!KeyOf expects the id of an entry",
    "!Find x": "!Find expects [model, [field, value], …]",
    "!Find []": "!Find expects",
    "!Find [authentik_flows.flow]": "!Find expects",
    "!Find [authentik_flows.flow, []]": "!Find expects",
    "!Find [authentik_flows.flow, [[a], b]]": "!Find expects",
    "!Find [flow, [slug, x]]": "!Find expects",
}


@dataclass(frozen=True, slots=True)
class FailingImport:
    """An open database with the base rows, and a folder of valid files next to an invalid one."""

    database: Database
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    folder: Path
    before: Mapping[str, Sequence[Any]]

    def import_file(self, source: bytes) -> str:
        """Import an invalid file with the valid ones; check that nothing is written.

        Returns the error message without the path.
        """
        file = self.folder / "second.yaml"
        file.write_bytes(source)
        with pytest.raises(BlueprintError) as error:
            self.run(import_blueprints(self.database, [self.folder]))
        assert self.run(dump_tables(self.database)) == self.before
        return str(error.value).removeprefix(f"{file}:")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def failing_import(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FailingImport]:
    """A database of each kind in turn."""
    template: BlueprintDatabase = request.getfixturevalue(f"{request.param}_template")
    if request.param == "sqlite":
        blueprint_database = copy_blueprint_database(template, tmp_path_factory.mktemp("db"))
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        blueprint_database = BlueprintDatabase(
            server.create_database("failing_import", "import_template")
        )
    folder = tmp_path_factory.mktemp("failing_import")
    blueprint_database.load(write_blueprint(folder / "base.yaml", BASE))
    write_blueprint(folder / "first.yaml", f"{STAGE}identifiers: {{name: first}}\n")
    write_blueprint(folder / "third.yaml", f"{STAGE}identifiers: {{name: third}}\n")
    with asyncio.Runner() as runner:
        database = runner.run(open_database(blueprint_database.url, writable=True))
        yield FailingImport(database, runner.run, folder, blueprint_database.dump())
        runner.run(database.close())


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_invalid_file_is_an_error_with_line_and_reason(
    failing_import: FailingImport, name: str
) -> None:
    """The message is one line, and nothing is written."""
    source, line, reason = WHOLE_FILES[name]
    message = failing_import.import_file(source if isinstance(source, bytes) else source.encode())
    assert re.fullmatch(f"{line}: .*{re.escape(reason)}.*", message)


@pytest.mark.parametrize("name", ENTRIES)
def test_invalid_entry_is_an_error_with_line_and_reason(
    failing_import: FailingImport, name: str
) -> None:
    """The message is one line, and nothing is written."""
    entry, reason = ENTRIES[name]
    message = failing_import.import_file(f"{HEAD}{entry}\n".encode())
    assert re.fullmatch(f"3: .*{re.escape(reason)}.*", message)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:20])
def test_invalid_value_is_an_error_with_its_line(failing_import: FailingImport, value: str) -> None:
    """The line is that of the value, not that of its entry."""
    message = failing_import.import_file(f"{HEAD}{STAGE}attrs:\n    x: {value}\n".encode())
    assert re.fullmatch(f"5: .*{re.escape(VALUES[value])}.*", message)


def test_unreadable_path_is_an_error_with_the_path(
    blueprint_database: BlueprintDatabase, tmp_path: Path
) -> None:
    """A missing file and a folder without blueprints are errors."""
    missing, empty = tmp_path / "missing.yaml", tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BlueprintError, match=f"^{missing}: No such file or directory$"):
        blueprint_database.load(missing)
    with pytest.raises(
        BlueprintError, match=f"^{empty}: the folder contains no .yaml or .yml file$"
    ):
        blueprint_database.load(empty)
