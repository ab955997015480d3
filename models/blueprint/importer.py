"""The import of blueprints into FlowQL's own database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from models.blueprint.format.files import InputFile, find_files
from models.blueprint.format.reading import read
from models.blueprint.planning.changes import describe_changes
from models.blueprint.planning.plan import Plan
from models.blueprint.planning.planner import Planner
from models.blueprint.report import ImportOptions, ImportReport, Progress, RunningTotal
from models.blueprint.rows import store
from models.blueprint.rows.working_set import WorkingSet
from models.database import Database, Reads
from models.errors import BlueprintError, DatabaseError

DEFAULTS = ImportOptions()


async def import_blueprints(
    database: Database,
    paths: Sequence[Path],
    options: ImportOptions = DEFAULTS,
    progress: Progress | None = None,
) -> ImportReport:
    """Import files and folders; raises BlueprintError with all errors, and DatabaseError.

    All files are imported in one transaction, or none if one is invalid. With `keep_going`, each
    valid file is imported in a transaction of its own, together with those that it refers to and
    that refer to it; the report has the errors of the others.
    """
    run = _Import(database, options, progress or _ignore)
    files = find_files(paths)
    if options.keep_going:
        return await run.import_valid(files)
    return await run.import_all(files)


def _ignore(_step: str, _done: int, _total: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Import:
    database: Database
    options: ImportOptions
    progress: Progress

    async def import_all(self, files: Sequence[InputFile]) -> ImportReport:
        """Import files in one transaction."""
        if self.options.is_dry_run:
            return await self.database.plan(partial(self._describe, files))
        plan = await self.database.write(partial(self._plan_valid, files), self._write)
        return plan.build_report()

    async def import_valid(self, files: Sequence[InputFile]) -> ImportReport:
        """Import each valid file, after the files that it refers to."""
        valid: list[InputFile] = list(files)
        errors: list[str] = []
        plan = await self.database.plan(partial(self._plan, valid))
        while plan.errors:
            errors += plan.list_errors()
            valid = [file for file in valid if file.label not in plan.errors]
            plan = await self.database.plan(partial(self._plan, valid))
        groups = _order(plan.dependencies, [file.label for file in valid])
        report = await self._import_groups(valid, groups)
        report.errors[:0] = errors
        # A file of its own seems to lack the files that it applies.
        report.warnings[:] = plan.report.warnings
        return report

    async def _import_groups(
        self, files: Iterable[InputFile], groups: Iterable[Sequence[str]]
    ) -> ImportReport:
        by_label = {file.label: file for file in files}
        report = ImportReport()
        if self.options.is_dry_run:
            return await self.import_all(list(by_label.values())) if by_label else report
        for group in groups:
            try:
                report.add(await self.import_all([by_label[label] for label in group]))
            except BlueprintError as error:
                report.errors += error.messages
        return report

    def _plan_valid(self, files: Sequence[InputFile], reads: Reads) -> Plan:
        plan = self._plan(files, reads)
        if plan.errors:
            raise BlueprintError(plan.list_errors())
        return plan

    def _describe(self, files: Sequence[InputFile], reads: Reads) -> ImportReport:
        plan = self._plan_valid(files, reads)
        return replace(plan.build_report(), plan=list(describe_changes(plan.rows)))

    def _plan(self, files: Sequence[InputFile], reads: Reads) -> Plan:
        plan = Plan(
            WorkingSet(reads.fetch), self.options.context, keeps_origins=self.options.keep_going
        )
        size = sum(file.size for file in files)
        Planner(plan).plan_files(read(files, lambda done: self.progress("read", done, size)))
        return plan

    def _write(self, connection: Connection, plan: Plan) -> None:
        changes = plan.rows.changes()
        size = sum(map(len, (changes.created, changes.changed, changes.deleted)))
        written = RunningTotal(lambda total: self.progress("write", total, size))
        try:
            store.write(connection, changes, written.add)
        except IntegrityError:
            raise DatabaseError(
                "the import conflicts with rows that another process has written: try again"
            ) from None


def _order(dependencies: Mapping[str, set[str]], labels: Sequence[str]) -> list[list[str]]:
    """Return groups of files, each after those that it refers to; a circle is one group."""
    groups = {label: [label] for label in labels}
    while True:
        graph = {id(group): set[int]() for group in groups.values()}
        for label, others in dependencies.items():
            graph[id(groups[label])] |= {id(groups[other]) for other in others}
            graph[id(groups[label])].discard(id(groups[label]))
        by_id = {id(group): group for group in groups.values()}
        try:
            return [by_id[number] for number in TopologicalSorter(graph).static_order()]
        except CycleError as error:
            circle = [by_id[number] for number in dict.fromkeys(error.args[1])]
            merged = [label for label in labels if any(label in group for group in circle)]
            groups |= dict.fromkeys(merged, merged)
