"""The sides of a comparison, and their objects."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.blueprint.format.reading import Batch
from models.blueprint.planning.plan import Plan, RequiredAbsence
from models.blueprint.planning.planner import Planner
from models.blueprint.rows.row import Row
from models.diff.objects import COMPARED_KINDS, Objects
from models.errors import BlueprintError
from models.systems.content import Origin, Record, SystemContent


@dataclass(frozen=True, slots=True)
class SystemSide:
    """A complete system. A snapshot is an export: it lacks stages and policies without a flow.

    `label` names the side for the reader, without secrets.
    """

    label: str
    content: SystemContent
    is_snapshot: bool = False


@dataclass(frozen=True, slots=True)
class BlueprintSide:
    """Blueprints, which describe a part of a system. `context` overrides the context of files.

    `planned` is the plan on an empty system, if it exists already.
    """

    label: str
    batches: Iterable[Batch]
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    planned: Plan | None = None

    def plan_alone(self) -> Plan:
        """Return what the blueprints make of an empty system; raises BlueprintError."""
        return self.planned or self.plan(EMPTY)

    def plan(self, content: SystemContent) -> Plan:
        """Return what the blueprints make of a system; raises BlueprintError."""
        plan = Plan(
            content.build_rows(),
            self.context,
            is_comparison=True,
            keeps_missing=content is EMPTY,
        )
        Planner(plan).plan_files(self.batches)
        if plan.errors:
            raise BlueprintError(plan.list_errors())
        return plan


Side = SystemSide | BlueprintSide
EMPTY = SystemContent(Origin.FLOWQL, {})


@dataclass(frozen=True, slots=True)
class BuiltSides:
    """The objects of both sides. The rows in `absent` must not exist, says the other side."""

    left: Objects
    right: Objects
    absent: frozenset[Row]
    warnings: Sequence[str]


def build_objects(left: Side, right: Side) -> BuiltSides:
    """Return the objects of both sides; raises BlueprintError.

    A blueprint is planned on the content of a system on the other side, so that its references find
    what exists there.
    """
    match left, right:
        case BlueprintSide(), BlueprintSide():
            return _build_blueprints(left, right)
        case BlueprintSide(), SystemSide():
            return _build_against_system(left, right)
        case SystemSide(), BlueprintSide():
            built = _build_against_system(right, left)
            return BuiltSides(built.right, built.left, built.absent, built.warnings)
        case SystemSide(), SystemSide():
            warnings = (*left.content.warnings, *right.content.warnings)
            return BuiltSides(_build_system(left), _build_system(right), frozenset(), warnings)


def build_content(plan: Plan) -> SystemContent:
    """Return the content of a system after a plan."""
    records = {
        name: [Record(row.pk, row.parent, row.model, row.settings, row.values) for row in table]
        for name, table in plan.rows.tables.items()
    }
    return SystemContent(Origin.FLOWQL, records)


def _build_system(side: SystemSide) -> Objects:
    content = side.content
    objects = Objects(
        content.build_rows(), content.origin, is_snapshot=side.is_snapshot, unknown=content.unknown
    )
    objects.index()
    for kind in COMPARED_KINDS:
        if kind.name not in content.unknown_kinds:
            rows = objects.rows.tables[kind.name]
            objects.compared[kind.name] = [objects.find_object(row) for row in rows]
    return objects


def _build_against_system(blueprint: BlueprintSide, system: SystemSide) -> BuiltSides:
    plan = blueprint.plan(system.content)
    right = _build_system(system)
    left = _build_mentioned(plan, system.content)
    absent = frozenset(_find_absent(plan.absences, right))
    warnings = (*system.content.warnings, *plan.report.warnings)
    return BuiltSides(left, right, absent, warnings)


def _build_blueprints(left: BlueprintSide, right: BlueprintSide) -> BuiltSides:
    """Each side stands for itself: an object that only the other one has is known by name."""
    plans = left.plan_alone(), right.plan_alone()
    lefts, rights = (_build_mentioned(plan, EMPTY) for plan in plans)
    absent = (*_find_absent(plans[0].absences, rights), *_find_absent(plans[1].absences, lefts))
    warnings = [message for plan in plans for message in plan.report.warnings]
    return BuiltSides(lefts, rights, frozenset(absent), warnings)


def _build_mentioned(plan: Plan, content: SystemContent) -> Objects:
    objects = Objects(plan.rows, content.origin, is_partial=True, unknown=content.unknown)
    objects.index()
    for kind in COMPARED_KINDS:
        objects.compared[kind.name] = []
    for row, mention in plan.mentions.items():
        if row.kind in COMPARED_KINDS and not row.is_deleted:
            item = objects.find_object(row)
            item.mentioned = frozenset(mention.names)
            objects.compared[row.kind.name].append(item)
    return objects


def _find_absent(absences: Sequence[RequiredAbsence], other: Objects) -> Iterator[Row]:
    """Yield the rows of the other side that must not exist."""
    for kind, model, row, columns in absences:
        item = row and other.find_by_pk(kind, row.pk)
        if item:
            yield item.row
        elif set(columns) == set(kind.unique):
            rows = other.rows.find(kind, columns)
            yield from (item for item in rows if item.model in (None, model))
