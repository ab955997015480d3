"""The state of a plan: rows, references, messages, and what the entries of each file declare."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, NamedTuple

from models.blueprint.authentik.kinds import REQUIRED, Kind
from models.blueprint.format.entry import BlueprintFile, Entry, Position, locate
from models.blueprint.format.evaluation import DEFAULT_CONTEXT, Budget, merge_context
from models.blueprint.planning.references import Absence, References, UnstoredObject
from models.blueprint.planning.schedule import Schedule
from models.blueprint.report import ImportReport
from models.blueprint.rows.working_set import Row, WorkingSet

MAX_WARNINGS = 1000
Declared = Row | UnstoredObject | Absence


@dataclass(frozen=True, slots=True)
class FileScope:
    """A file with its context, what its entries declare by id, and the places of its slugs."""

    file: BlueprintFile
    context: Mapping[str, Any]
    ids: dict[str, Declared] = field(default_factory=dict[str, Declared])
    slugs: dict[str, Position] = field(default_factory=dict[str, Position])


class AppliedFile(NamedTuple):
    """A file that an entry applies, by the name in its metadata."""

    entry: Entry
    name: str
    is_required: bool


class Mention(NamedTuple):
    """A row that entries mention, with the names of its fields and settings that they set."""

    row: Row
    names: set[str]


class RequiredAbsence(NamedTuple):
    """An object that must not exist: kind and model, its row if there is one, and identifiers."""

    kind: Kind
    model: str
    row: Row | None
    columns: Mapping[str, Any]


class Plan:
    """What the entries planned so far make of the rows.

    `created`, `updated` and `deleted` have the rows, one for each entry that did this.
    `overlay` overrides the context of each file. `errors` has the messages of invalid entries by
    file. With `keeps_origins`, `dependencies` has the files that each file refers to.

    A comparison is not an import: it collects what entries mention in `mentions` and `absences`. An
    entry may then leave out what a new object requires, refer by name to a flow, stage, policy or
    prompt that does not exist, and change the type of a stage or policy. Unique names identify an
    object, before primary keys, which differ between systems. With `keeps_missing`, settings name
    objects that do not exist; otherwise, they are null, as after an import.
    """

    def __init__(
        self,
        rows: WorkingSet,
        overlay: Mapping[str, Any],
        *,
        keeps_origins: bool = False,
        is_comparison: bool = False,
        keeps_missing: bool = False,
    ) -> None:
        self.rows = rows
        self.is_comparison = is_comparison
        self.keeps_missing = keeps_missing
        self.mentions: dict[Row, Mention] = {}
        self.absences: list[RequiredAbsence] = []
        self.schedule = Schedule()
        self.references = References(
            rows, self.schedule, self.note_reference, ignores_models=is_comparison
        )
        self.report = ImportReport()
        self.errors: defaultdict[str, list[tuple[Position, str]]] = defaultdict(list)
        self.dependencies: defaultdict[str, set[str]] = defaultdict(set)
        self.created: list[Row] = []
        self.updated: list[Row] = []
        self.deleted: list[Row] = []
        self.applied_files: list[AppliedFile] = []
        self.budget = Budget()
        self._overlay = overlay
        # An entry that waits is planned several times.
        self._warnings: set[str] = set()
        self._origins: dict[Row, str] | None = {} if keeps_origins else None
        self._scopes: dict[BlueprintFile, FileScope] = {}

    def find_scope(self, file: BlueprintFile) -> FileScope:
        """Return the scope of a file, which exists until `close_file`."""
        scope = self._scopes.get(file)
        if scope is None:
            scope = FileScope(file, merge_context(DEFAULT_CONTEXT, file.context, self._overlay))
            self._scopes[file] = scope
        return scope

    def close_file(self, file: BlueprintFile) -> None:
        """Forget the scope of a file whose entries are all planned."""
        self._scopes.pop(file, None)

    def build_report(self) -> ImportReport:
        """Return the result. An entry whose changes others revert is unchanged."""
        created = sum(not row.is_deleted for row in self.created)
        updated = sum(row.is_new or row.is_changed for row in self.updated if not row.is_deleted)
        deleted = sum(not row.is_new for row in self.deleted)
        count = sum(map(len, (self.created, self.updated, self.deleted)))
        unchanged = self.report.unchanged + count - created - updated - deleted
        return replace(
            self.report, created=created, updated=updated, deleted=deleted, unchanged=unchanged
        )

    def list_errors(self) -> list[str]:
        """Return all messages of errors, by file and place."""
        return [
            message
            for errors in self.errors.values()
            for _, message in sorted(errors, key=itemgetter(0))
        ]

    @property
    def can_warn(self) -> bool:
        """False after many warnings, which are expensive to find and which nobody reads."""
        return len(self._warnings) < MAX_WARNINGS

    def warn(self, entry: Entry, position: Position, message: str) -> None:
        """Report a warning."""
        warning = locate(entry.file.path, position, message)
        if self.can_warn and warning not in self._warnings:
            self._warnings.add(warning)
            self.report.warnings.append(warning)

    def warn_of_tag(self, entry: Entry, message: str, position: Position) -> None:
        """Report a warning about a tag."""
        self.warn(entry, position, message)

    def fail(self, entry: Entry, position: Position, message: str) -> None:
        """Report an invalid entry."""
        message = locate(entry.file.path, position, f"{message}{_name_entry(entry)}")
        self.errors[entry.file.path].append((position, message))

    def fail_dependency(self, entry: Entry, other: Entry) -> None:
        """Report an entry that refers to an invalid one; one message is enough for a file."""
        if other.file is not entry.file:
            place = f"{other.file.path}:{other.position[0]}"
            self.fail(entry, entry.position, f"refers to the invalid entry at {place}")

    def omit(self, entry: Entry, message: str) -> None:
        """Report a binding that is left out."""
        message = f"left out: {message}{_name_entry(entry)}"
        self.report.omissions.append(locate(entry.file.path, entry.position, message))

    def note_slug(self, entry: Entry, slug: str) -> None:
        """Warn if two entries of a file set the same slug."""
        position = entry.positions.get("slug", entry.position)
        first = self.find_scope(entry.file).slugs.setdefault(slug, position)
        if first != position:
            place = f"line {first[0]} of this file"
            self.warn(entry, position, f"the slug {slug!r} is also set in {place}")

    def note_reference(self, entry: Entry, row: Row) -> None:
        """Note that an entry refers to a row, which an entry of another file may have created."""
        origin = (self._origins or {}).get(row, entry.file.path)
        if origin != entry.file.path:
            self.dependencies[entry.file.path].add(origin)

    def note_origin(self, entry: Entry, row: Row) -> None:
        """Note that an entry created a row."""
        if self._origins is not None:
            self._origins[row] = entry.file.path

    def note_mention(self, row: Row, names: Iterable[str]) -> None:
        """Note that an entry mentions a row, and sets fields and settings of these names."""
        if self.is_comparison:
            self.mentions.setdefault(row, Mention(row, set())).names.update(names)

    def create_missing(self, kind: Kind, model: str | None, name: str) -> Row:
        """Return an object that does not exist, to which an entry of a comparison refers."""
        columns = complete_columns(kind, {kind.unique[0]: name}, name)
        return self.rows.create(kind, None, columns, model)

    def create_placeholder(self, kind: Kind, name: str) -> Row:
        """Return a group or user of which only the name is known, planned if it is new."""
        # A list can contain the same name twice.
        for row in self.rows.find(kind, {kind.unique[0]: name}):
            return row
        columns = {item.column: item.default for item in kind.fields.values()}
        self.report.placeholders.append(f"{kind.name} {name!r}")
        return self.rows.create(kind, None, {**columns, kind.unique[0]: name})


def complete_columns(kind: Kind, columns: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return columns with a value in place of each that is missing and required.

    The missing unique column has this name.
    """
    others = dict.fromkeys(kind.required, "") | {kind.unique[0]: name}
    defaults = {
        column: others[column] if value is REQUIRED else value
        for column, value in kind.defaults.items()
    }
    return {**defaults, **columns}


def _name_entry(entry: Entry) -> str:
    return f" (entry {entry.id!r})" if isinstance(entry.id, str | int) else ""
