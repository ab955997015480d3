"""Sides of comparisons: blueprints, and the content of systems, in memory."""

import random
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from models.authentik import known_models, secrets
from models.blueprint.authentik.kinds import (
    FLOW,
    KINDS,
    POLICY,
    POLICY_BINDING,
    PROMPT,
    STAGE,
    STAGE_BINDING,
    USER,
    EntryField,
    Kind,
)
from models.blueprint.planning.plan import Plan
from models.blueprint.planning.planner import Planner
from models.diff.changes import Change, Difference
from models.diff.compare import CompareOptions, compare
from models.diff.sides import EMPTY, BlueprintSide, SystemSide, build_content
from models.diff.sources import read_blueprints
from models.systems.content import Record, SystemContent
from support.blueprints import HEAD

COMPARED = (FLOW, STAGE, POLICY, PROMPT, STAGE_BINDING, POLICY_BINDING)


@dataclass(frozen=True, slots=True)
class Sides:
    """Creates sides from blueprints, whose files are in a folder."""

    folder: Path

    def read(self, text: str, **context: Any) -> BlueprintSide:
        """Return a blueprint; a list of entries gets a head."""
        path = self.folder / f"{uuid.uuid4().hex}.yaml"
        path.write_text(HEAD + text if text.lstrip().startswith("-") else text, "utf-8")
        side = read_blueprints([path], context)
        assert isinstance(side, BlueprintSide)
        return side

    def import_(self, *texts: str) -> SystemSide:
        """Return the system that imports of blueprints make, one after the other."""
        content = EMPTY
        for text in texts:
            content = build_content(self.read(text).plan(content))
        return SystemSide("memory", content)


def import_over(content: SystemContent, blueprint: BlueprintSide) -> SystemContent | None:
    """Return what an import of the blueprint makes of a system, None if it is invalid there."""
    plan = Plan(content.build_rows(), blueprint.context)
    Planner(plan).plan_files(blueprint.batches)
    return None if plan.errors else build_content(plan)


def diff(left: Any, right: Any, *, exact: bool = False) -> Difference:
    """Compare two sides."""
    return compare(left, right, CompareOptions(is_exact=exact))


def describe(changes: Iterable[Change]) -> list[tuple[str, str, Any, Any]]:
    """Return path, kind, before and after of each change."""
    return [(item.path, item.kind.value, item.before, item.after) for item in changes]


def shuffle(content: SystemContent, seed: int) -> SystemContent:
    """Return the same content with other primary keys, in another order."""
    generator = random.Random(seed)
    keys = {
        key: str(uuid.UUID(int=generator.getrandbits(128), version=4))
        for records in content.records.values()
        for record in records
        for key in (record.pk, record.parent)
        if isinstance(key, str)
    } | {
        record.pk: number
        for number, record in enumerate(content.records.get(USER.name, ()), generator.randrange(90))
    }
    records = {
        name: generator.sample(rekeyed, len(rekeyed))
        for name, items in content.records.items()
        for rekeyed in [[_rekey(KINDS[name], record, keys) for record in items]]
    }
    return replace(content, records=records)


def _rekey(kind: Kind, record: Record, keys: Mapping[Any, Any]) -> Record:
    values = tuple(
        keys.get(value, value) if definition.targets else value
        for definition, value in zip(kind.fields.values(), record.values, strict=True)
    )
    settings = record.settings
    return Record(
        keys[record.pk],
        keys.get(record.parent),
        record.model,
        None
        if settings is None
        else {name: _replace(value, keys) for name, value in settings.items()},
        values,
    )


def _replace(value: Any, keys: Mapping[Any, Any]) -> Any:
    if isinstance(value, str):
        return keys.get(value, value)
    if isinstance(value, list):
        return [_replace(item, keys) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        return {key: _replace(item, keys) for key, item in cast(dict[str, Any], value).items()}
    return value


# Mutations -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mutation:
    """One attribute of one object that is changed. `name` is the attribute."""

    kind: Kind
    name: str
    content: SystemContent


def mutate(content: SystemContent) -> Iterator[Mutation]:
    """Yield the content with each attribute of each object changed alone."""
    for kind in COMPARED:
        for number, record in enumerate(content.records.get(kind.name, ())):
            for name, changed in _mutate_record(content, kind, record):
                records = list(content.records[kind.name])
                records[number] = changed
                yield Mutation(
                    kind,
                    name,
                    replace(content, records={**content.records, kind.name: records}),
                )


def _mutate_record(
    content: SystemContent, kind: Kind, record: Record
) -> Iterator[tuple[str, Record]]:
    for number, (name, definition) in enumerate(kind.fields.items()):
        value = record.values[number]
        changed = _change(content, kind, record, name, definition, value)
        if changed is not None:
            values = (*record.values[:number], changed, *record.values[number + 1 :])
            yield name, record._replace(values=values)
    if record.model:
        yield "model", record._replace(model="authentik_stages_other.otherstage")
        yield from _mutate_settings(record)


def _mutate_settings(record: Record) -> Iterator[tuple[str, Record]]:
    model, settings = record.model or "", record.settings or {}
    yield "added_setting", record._replace(settings={**settings, "added_setting": 1})
    for name, value in settings.items():
        if not (secrets.is_secret(model, name) or known_models.is_read_only(model, name)):
            changed = "changed" if value in (None, [], {}) else None
            yield name, record._replace(settings={**settings, name: changed})


def _change(  # noqa: PLR0913, PLR0917 - one field of one record
    content: SystemContent,
    kind: Kind,
    record: Record,
    name: str,
    definition: EntryField,
    value: Any,
) -> Any:
    """Return another value, or None if there is none."""
    if definition.targets:
        return None if value is None else _find_other(content, kind, record, name, value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1000
    return f"{value}-other"


def _find_other(content: SystemContent, kind: Kind, record: Record, name: str, value: Any) -> Any:
    """Return another target with which the binding is still unique."""
    targets = kind.fields[name].targets
    position = list(kind.fields).index(name)
    order = list(kind.fields).index("order")
    others = [
        item.parent if name == "target" and kind is POLICY_BINDING else item.pk
        for target in targets
        for item in content.records.get(target, ())
    ]
    # At another place of the same order, two changes could be one of another kind.
    taken = {
        item.values[position]
        for item in content.records[kind.name]
        if item.values[order] == record.values[order]
    }
    return next((other for other in others if other != value and other not in taken), None)
