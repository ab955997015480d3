"""Runs of `flowql import` on files of a folder, and the content of databases without their keys."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from support.blueprints import HEAD, BlueprintDatabase
from support.command import run_in_process

INVALID, INCOMPLETE = 2, 3
PREFIX = "flowql: "
# Tables of objects with a name, by the word for their references.
NAMED = {
    "flow": ("authentik_flows_flow", "flow_uuid", "slug"),
    "stage": ("authentik_flows_stage", "stage_uuid", "name"),
    "policy": ("authentik_policies_policy", "policy_uuid", "name"),
    "prompt": ("authentik_stages_prompt_prompt", "prompt_uuid", "name"),
    "group": ("authentik_core_group", "group_uuid", "name"),
    "user": ("authentik_core_user", "id", "username"),
}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a database: names stand for keys, also within settings.

    Objects are mappings by name. Bindings are in order; a policy binding names its target, with the
    name of the stage if it is a stage binding, and what it binds.
    """

    flows: Mapping[str, Row]
    stages: Mapping[str, Row]
    policies: Mapping[str, Row]
    prompts: Mapping[str, Row]
    groups: Mapping[str, Row]
    users: Mapping[str, Row]
    stage_bindings: Sequence[Row]
    policy_bindings: Sequence[Row]

    @property
    def gates(self) -> list[tuple[str, int, str]]:
        """Target, order and what is bound, for each policy binding."""
        return [(row["target"], row["order"], row["bound"]) for row in self.policy_bindings]

    @property
    def steps(self) -> list[tuple[str, int, str]]:
        """Flow, order and stage, for each stage binding."""
        return [(row["flow"], row["order"], row["stage"]) for row in self.stage_bindings]


@dataclass(frozen=True, slots=True)
class Store:
    """A database of FlowQL's own, and a folder for the files to import."""

    database: BlueprintDatabase
    folder: Path

    def write(self, *documents: str) -> Sequence[Path]:
        """Write files `1.yaml`, `2.yaml` and so on; a list of entries gets a head."""
        paths = [self.folder / f"{number + 1}.yaml" for number in range(len(documents))]
        for path, document in zip(paths, documents, strict=True):
            path.write_text(HEAD + document if document.lstrip().startswith("-") else document)
        return paths

    def run(self, *arguments: str | Path) -> CompletedProcess[str]:
        """Run `flowql import` with arguments."""
        return run_in_process("import", *map(str, arguments), "--database", self.database.url)

    def load(self, *documents: str, options: Iterable[str] = (), code: int = 0) -> list[str]:
        """Import documents as files of one run; return the messages."""
        process = self.run(*self.write(*documents), *options)
        assert process.returncode == code, process
        return split_messages(process.stderr)

    def refuse(self, *documents: str, options: Iterable[str] = ()) -> list[str]:
        """Import invalid documents; check that nothing changes, and return the messages."""
        before = self.database.dump()
        messages = self.load(*documents, options=options, code=INVALID)
        assert self.database.dump() == before
        return messages

    def read(self) -> Content:
        """Read the content."""
        return describe_content(self.database.dump())


def split_messages(stderr: str) -> list[str]:
    """Return the messages of a command, each of one line, without the prefix."""
    lines = stderr.splitlines()
    assert all(line.startswith(PREFIX) for line in lines), stderr
    return [line.removeprefix(PREFIX) for line in lines]


def find_summary(messages: Iterable[str]) -> str:
    """Return the message with the numbers of entries, which others can follow."""
    [summary] = [
        message
        for message in messages
        if re.match(r"(dry run, nothing was written: )?\d+ created, ", message)
    ]
    return summary


def describe_content(dump: Mapping[str, Sequence[Any]]) -> Content:
    """Describe the rows of all tables."""
    names = _Names(dump)
    bindings = dump["authentik_flows_flowstagebinding"]
    targets = {row.policybindingmodel_ptr_id: row.slug for row in dump["authentik_flows_flow"]} | {
        row.policybindingmodel_ptr_id: (
            f"{names.find('flow', row.target_id)}/{names.find('stage', row.stage_id)}/{row.order}"
        )
        for row in bindings
    }
    return Content(
        flows=names.describe("flow"),
        stages=names.describe("stage", dump["flowql_stagetype"]),
        policies=names.describe("policy", dump["flowql_policytype"]),
        prompts=names.describe("prompt"),
        groups=names.describe("group"),
        users=names.describe("user"),
        stage_bindings=_sort(
            {
                "flow": names.find("flow", row.target_id),
                "order": row.order,
                "stage": names.find("stage", row.stage_id),
                "mode": names.modes[row.policybindingmodel_ptr_id],
                "evaluate_on_plan": row.evaluate_on_plan,
                "re_evaluate_policies": row.re_evaluate_policies,
                "invalid_response_action": row.invalid_response_action,
            }
            for row in bindings
        ),
        policy_bindings=_sort(
            {
                "target": targets[row.target_id],
                "order": row.order,
                "bound": names.describe_bound(row),
                "enabled": row.enabled,
                "negate": row.negate,
                "timeout": row.timeout,
                "failure_result": row.failure_result,
            }
            for row in dump["authentik_policies_policybinding"]
        ),
    )


# The columns that are described, by kind.
_COLUMNS = {
    "flow": (
        *("name", "title", "designation", "background", "layout", "denied_action"),
        *("authentication", "compatibility_mode"),
    ),
    "stage": (),
    "policy": ("execution_logging",),
    "prompt": (
        *("field_key", "label", "type", "required", "placeholder", "initial_value", "order"),
        *("sub_text", "placeholder_expression", "initial_value_expression"),
    ),
    "group": ("is_superuser",),
    "user": ("name", "is_active"),
}


class _Names:
    """The names of rows by their keys."""

    def __init__(self, dump: Mapping[str, Sequence[Any]]) -> None:
        self._rows = {kind: dump[table] for kind, (table, _, _) in NAMED.items()}
        self._names = {
            kind: {getattr(row, pk): getattr(row, name) for row in dump[table]}
            for kind, (table, pk, name) in NAMED.items()
        }
        self.modes = {
            row.pbm_uuid: row.policy_engine_mode
            for row in dump["authentik_policies_policybindingmodel"]
        }

    def find(self, kind: str, pk: Any) -> str:
        return self._names[kind][pk]

    def describe_bound(self, row: Any) -> str:
        """Return the kind and the name of what a policy binding binds."""
        keys = {"policy": row.policy_id, "group": row.group_id, "user": row.user_id}
        bound = ((kind, pk) for kind, pk in keys.items() if pk is not None)
        return ", ".join(f"{kind} {self.find(kind, pk)}" for kind, pk in bound)

    def describe(self, kind: str, types: Sequence[Any] = ()) -> dict[str, Row]:
        """Describe the rows of a kind by name, with the models and settings of their types."""
        _, pk, _ = NAMED[kind]
        by_key = {row.ptr_id: row for row in types}
        return {
            self.find(kind, getattr(row, pk)): self._describe(
                kind, row, by_key.get(getattr(row, pk))
            )
            for row in self._rows[kind]
        }

    def _describe(self, kind: str, row: Any, type_row: Any) -> Row:
        columns = {column: getattr(row, column) for column in _COLUMNS[kind]}
        if kind == "flow":
            columns["mode"] = self.modes[row.policybindingmodel_ptr_id]
        if type_row is not None:
            settings = self._replace_keys(type_row.settings)
            columns |= {"model": type_row.model, "settings": settings}
        return columns

    def _replace_keys(self, value: Any) -> Any:
        """Return settings in which the kind and the name of an object replace its key."""
        match value:
            case dict():
                return {key: self._replace_keys(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
            case list():
                return [self._replace_keys(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
            case str():
                named = (
                    f"<{kind} {names[value]}>"
                    for kind, names in self._names.items()
                    if value in names
                )
                return next(named, value)
            case _:
                return value


def _sort(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: tuple(map(str, row.values())))
