"""The import of blueprints into FlowQL's own database."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
from models.garbage import without_cycle_collection

DEFAULTS = ImportOptions()
# The files that each file refers to.
Dependencies = Mapping[str, Iterable[str]]


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
    with without_cycle_collection():
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
            omitted = _find_dependents(plan.dependencies, plan.errors)
            errors += [*plan.list_errors(), *_describe_omitted(plan, omitted)]
            valid = [file for file in valid if file.label not in omitted]
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


def _find_dependents(dependencies: Dependencies, labels: Iterable[str]) -> set[str]:
    """Return the files, and those that refer to them, directly or through others."""
    dependents, visited = _invert(dependencies), set[str]()
    return {other for label in labels for other in _visit(label, dependents, visited)}


def _describe_omitted(plan: Plan, omitted: Iterable[str]) -> Iterator[str]:
    """Yield a message for each omitted file without errors of its own."""
    names = set(omitted)
    for label in sorted(names - plan.errors.keys()):
        other = min(names.intersection(plan.dependencies[label]))
        yield f"{label}: refers to {other}, which is not imported"


def _order(dependencies: Dependencies, labels: Sequence[str]) -> list[list[str]]:
    """Return groups of files, each after those that it refers to; a circle is one group.

    The groups are strongly connected components, which Kosaraju's algorithm finds in linear time.
    """
    positions = {label: position for position, label in enumerate(labels)}
    visited = set[str]()
    finished = [other for label in labels for other in _visit(label, dependencies, visited)]
    dependents, visited = _invert(dependencies), set[str]()
    groups = [list(_visit(label, dependents, visited)) for label in reversed(finished)]
    return [sorted(group, key=positions.__getitem__) for group in reversed(groups) if group]


def _visit(label: str, graph: Dependencies, visited: set[str]) -> Iterator[str]:
    """Yield a file, after all that it leads to in the graph, without those visited before."""
    stack = [(label, False)]
    while stack:
        label, is_finished = stack.pop()
        if is_finished:
            yield label
        elif label not in visited:
            visited.add(label)
            stack += [(label, True), *((other, False) for other in sorted(graph.get(label, ())))]


def _invert(dependencies: Dependencies) -> Dependencies:
    dependents: defaultdict[str, list[str]] = defaultdict(list)
    for label, others in dependencies.items():
        for other in others:
            dependents[other].append(label)
    return dependents
