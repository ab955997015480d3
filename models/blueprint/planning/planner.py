"""The planning of all files: entries in the order in which their dependencies allow it."""

from collections import defaultdict
from collections.abc import Iterable

from models.blueprint.authentik.kinds import POLICY_BINDING, STAGE_BINDING
from models.blueprint.format.entry import BlueprintFile, Entry
from models.blueprint.format.reading import Batch, FileError
from models.blueprint.planning.entry_plan import EntryPlan
from models.blueprint.planning.keys import find_static_kind, list_keys
from models.blueprint.planning.plan import Plan
from models.blueprint.planning.preloading import preload
from models.blueprint.planning.schedule import TooManyWaitsError, UnresolvedError

BINDINGS = (STAGE_BINDING.name, POLICY_BINDING.name)


class Planner:
    """Plans files as they are read.

    An entry that refers to what is not planned yet waits: a binding in its batch, others decoded.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._waiting: dict[str, list[tuple[Batch, list[int]]]] = {name: [] for name in BINDINGS}
        self._waiting_files: set[BlueprintFile] = set()
        self._names: defaultdict[str | None, list[str]] = defaultdict(list)

    def plan_files(self, batches: Iterable[Batch | FileError]) -> None:
        """Plan all files."""
        for batch in batches:
            if isinstance(batch, FileError):
                errors = [((0, 0), message) for message in batch.messages]
                self._plan.errors[batch.path].extend(errors)
            else:
                self._add(batch)
        self._finish()

    def _add(self, batch: Batch) -> None:
        self._plan.schedule.add_file(batch.file)
        entries = batch.decode()
        if not self._plan.rows.is_complete:
            preload(self._plan.rows, entries)
        indexes: dict[str, list[int]] = {name: [] for name in BINDINGS}
        for index, entry in enumerate(entries):
            kind = find_static_kind(entry)
            waiting = indexes.get(kind.name) if kind else None
            # If one binding waits, the next ones are likely to.
            if waiting or not self._try(entry):
                if waiting is None:
                    self._plan.schedule.add(entry, list(dict.fromkeys(list_keys(entry))))
                else:
                    waiting.append(index)
                    self._plan.schedule.has_bindings = True
        self._keep_bindings(batch, indexes)
        if batch.is_last:
            self._close(batch.file)

    def _keep_bindings(self, batch: Batch, indexes: dict[str, list[int]]) -> None:
        for name, numbers in indexes.items():
            if numbers:
                self._waiting[name].append((batch, numbers))
                self._waiting_files.add(batch.file)

    def _close(self, file: BlueprintFile) -> None:
        self._names[file.name].append(file.path)
        if file not in self._waiting_files and not self._plan.schedule.has_file(file):
            self._plan.close_file(file)

    def _try(self, entry: Entry) -> bool:
        """Plan an entry; return False if it has to wait."""
        try:
            self._run(entry)
        except UnresolvedError:
            return False
        return True

    def _run(self, entry: Entry) -> None:
        self._plan.budget.add_entry()
        EntryPlan(self._plan, entry, self._plan.find_scope(entry.file)).run()

    def _finish(self) -> None:
        """Plan the entries that waited for the end of the files."""
        self._plan_waiting()
        # Now those that wait for bindings, and bindings that wait for these.
        self._plan.schedule.release()
        self._plan_waiting()
        self._note_applied_files()

    def _plan_waiting(self) -> None:
        self._plan_entries()
        for name in BINDINGS:
            self._plan_bindings(name)
            # A policy binding that refers to a stage binding does not wait if all are planned.
            self._plan.schedule.has_bindings &= bool(self._waiting[name])

    def _plan_entries(self) -> None:
        for entry in self._plan.schedule.drain():
            try:
                self._run(entry)
            except UnresolvedError as error:
                self._wait(entry, error.entry)
            else:
                self._plan.schedule.finish(entry)

    def _wait(self, entry: Entry, other: Entry | None) -> None:
        try:
            self._plan.schedule.wait(entry, other)
        except TooManyWaitsError as error:
            self._plan.fail(entry, entry.position, str(error))
            self._plan.schedule.finish(entry)

    def _plan_bindings(self, name: str) -> None:
        batches, self._waiting[name] = self._waiting[name], []
        for batch, indexes in batches:
            entries = batch.decode()
            left = [index for index in indexes if not self._try(entries[index])]
            self._keep_bindings(batch, {name: left})

    def _note_applied_files(self) -> None:
        """Note the files that entries apply, and warn of required ones that are missing."""
        for entry, name, is_required in self._plan.applied_files:
            others = self._names.get(name, ())
            self._plan.dependencies[entry.file.path].update(others)
            if is_required and not others:
                message = f"the blueprint {name!r}, which is required, is not part of this import"
                self._plan.warn(entry, entry.position, message)
