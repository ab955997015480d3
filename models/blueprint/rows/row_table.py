"""The rows of one kind that an import has read or planned, with indexes."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CHAR,
    Boolean,
    Column,
    ColumnElement,
    Integer,
    Select,
    String,
    Table,
    UniqueConstraint,
    func,
    null,
    select,
)
from sqlalchemy.types import TypeEngine

from models.blueprint.authentik.kinds import MODE_COLUMN, USER, Kind
from models.blueprint.authentik.values import MAXIMUM, MINIMUM, is_uuid
from models.blueprint.format.entry import InvalidValueError
from models.blueprint.rows.row import COLUMNS, PARENT, Row, State
from models.tables.access import RESERVED_PREFIX
from models.tables.flow import PolicyBindingModel
from models.tables.metadata import METADATA

# References can name any columns. Indexes of all their combinations would take too much memory.
MAX_INDEXES = 20
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
PARENT_TABLE = METADATA.tables[PolicyBindingModel.__tablename__]
PARENT_COLUMN = "policybindingmodel_ptr_id"

Check = Callable[[Any], bool]
# The primary key, the parent's key, the model, the settings, and the values of the columns.
Records = Iterable[Any]


class RowTable:
    """The rows of a kind that were read or planned, without deleted ones.

    `indexed` are the columns with an index in the database, the most selective ones first.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.columns = COLUMNS[kind.name]
        self.indexed = _list_indexed_columns(kind)
        self._sql = _map_columns(kind)
        self._checks = {name: _find_check(column.type) for name, column in self._sql.items()}
        self._known = {column: set[Any]() for column in self._sql}
        self.is_complete = False
        # Both contain deleted rows as well: the database still has them.
        self._rows: list[Row] = []
        self._read: dict[Any, Row] = {}
        self._indexes: dict[tuple[str, ...], _Index] = {}
        # Rows use the same string objects for choices and keys that occur many times.
        self._strings: dict[Any, Any] = {}
        self._shared = _list_shared_positions(kind)

    def accepts(self, column: str, value: Any) -> bool:
        """Return whether the column can have a value. PostgreSQL cannot compare it with others."""
        return value is None or self._checks[column](value)

    def is_known(self, column: str, value: Any) -> bool:
        """Return whether all rows of the database with this value have been read."""
        return self.is_complete or value in self._known[column]

    def select(self) -> Select[Any]:
        """SELECT all rows, except for the users of tokens."""
        sources, types = _join(self.kind, self._sql[self.kind.pk])
        columns = (self._sql[column] for column in self.columns)
        statement = select(
            self._sql[self.kind.pk], self._sql.get(PARENT, null()), *types, *columns
        ).select_from(sources)
        return statement.where(_is_visible(self._sql)) if self.kind is USER else statement

    def select_by(self, column: str, values: Sequence[Any]) -> Select[Any]:
        """SELECT the rows with one of these values of a column."""
        return self.select().where(self._sql[column].in_(values))

    def add_all(self, records: Records) -> None:
        """Add all rows of the database, as they were selected."""
        self._add_read(records)
        self.is_complete = True

    def add_some(self, column: str, values: Iterable[Any], records: Records) -> None:
        """Add the rows of the database with one of these values, as they were selected."""
        self._add_read(records)
        self._known[column].update(values)

    def add(self, row: Row) -> None:
        """Add a row."""
        self._rows.append(row)
        for index in self._indexes.values():
            index.add(row)

    def remove(self, row: Row) -> None:
        """Mark a row as deleted."""
        row.is_deleted = True
        for index in self._indexes.values():
            index.remove(row)

    def update(self, row: Row, values: Mapping[str, Any], state: State) -> None:
        """Replace the content of a row, in which these columns have other values."""
        indexes = [index for index in self._indexes.values() if index.has_any(values)]
        for index in indexes:
            index.remove(row)
        row.replace(state)
        for index in indexes:
            index.add(row)

    def find(self, conditions: Mapping[str, Any]) -> Iterable[Row]:
        """Return the rows with equal values of these columns, of which there must be one."""
        columns = tuple(sorted(conditions))
        values = tuple(map(conditions.__getitem__, columns))
        index = self._indexes.get(columns) or self._build_index(columns)
        return index.find(values)

    def __iter__(self) -> Iterator[Row]:
        return (row for row in self._rows if not row.is_deleted)

    def _add_read(self, records: Records) -> None:
        for pk, parent, model, settings, *values in records:
            if pk not in self._read:
                self._read[pk] = self._build_row(pk, parent, model, settings, values)
                self.add(self._read[pk])

    def _build_row(self, pk: Any, parent: Any, model: Any, settings: Any, values: list[Any]) -> Row:
        for position in self._shared:
            values[position] = self._strings.setdefault(values[position], values[position])
        return Row(self.kind, pk, parent, tuple(values), model, settings, is_new=False)

    def _build_index(self, columns: tuple[str, ...]) -> "_Index":
        if len(self._indexes) == MAX_INDEXES:
            raise InvalidValueError(
                f"is found by another combination of fields than {MAX_INDEXES} others: use slugs"
                " and names"
            )
        index = self._indexes[columns] = _Index(columns)
        for row in self:
            index.add(row)
        return index


class _Index:
    """Rows by their values of some columns. Most values have one row, which is stored alone."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._rows: dict[Any, Row | dict[Row, None]] = {}

    def has_any(self, columns: Iterable[str]) -> bool:
        return not set(columns).isdisjoint(self._columns)

    def add(self, row: Row) -> None:
        key = self._find_key(row)
        rows = self._rows.setdefault(key, row)
        if isinstance(rows, dict):
            rows[row] = None
        elif rows is not row:
            self._rows[key] = {rows: None, row: None}

    def remove(self, row: Row) -> None:
        key = self._find_key(row)
        rows = self._rows[key]
        if isinstance(rows, dict):
            del rows[row]
        else:
            del self._rows[key]

    def find(self, values: tuple[Any, ...]) -> Iterable[Row]:
        rows = self._rows.get(values[0] if len(self._columns) == 1 else values, ())
        return (rows,) if isinstance(rows, Row) else rows

    def _find_key(self, row: Row) -> Any:
        if len(self._columns) == 1:
            return row.get(self._columns[0])
        return tuple(map(row.get, self._columns))


def _map_columns(kind: Kind) -> Mapping[str, Column[Any]]:
    """Return the columns of rows, with the primary key and the key of the parent row, by name."""
    table = get_table(kind)
    columns = {name: table.c[name] for name in (kind.pk, *kind.columns) if name in table.c}
    if kind.has_parent:
        columns[MODE_COLUMN] = PARENT_TABLE.c[MODE_COLUMN]
        columns[PARENT] = table.c[PARENT_COLUMN]
    return columns


def get_table(kind: Kind) -> Table:
    """Return the table of a kind."""
    return METADATA.tables[kind.table.__tablename__]


def get_type_table(kind: Kind) -> Table | None:
    """Return the table of the types of a kind, if it has types."""
    return METADATA.tables[kind.type_table.__tablename__] if kind.type_table else None


def _list_indexed_columns(kind: Kind) -> Sequence[str]:
    table = get_table(kind)
    unique = (item for item in table.constraints if isinstance(item, UniqueConstraint))
    first = sorted(next(iter(item.columns)).name for item in (*table.indexes, *unique))
    indexed = (column for column in first if column in kind.columns)
    return list(dict.fromkeys((kind.pk, PARENT, kind.unique[0], *indexed)))


def _list_shared_positions(kind: Kind) -> Sequence[int]:
    """Return the positions of text columns in which many rows have the same value."""
    columns = _map_columns(kind)
    distinct = ("name", "title", kind.unique[0])
    return [
        position
        for position, column in enumerate(kind.columns)
        if isinstance(columns[column].type, String) and column not in distinct
    ]


def _join(kind: Kind, pk: Column[Any]) -> tuple[Any, Sequence[ColumnElement[Any]]]:
    """Return the table joined to those of parents and types, and the columns of the type."""
    table: Any = get_table(kind)
    types = get_type_table(kind)
    if types is not None:
        return table.outerjoin(types, types.c.ptr_id == pk), (types.c.model, types.c.settings)
    if kind.has_parent:
        table = table.join(PARENT_TABLE, PARENT_TABLE.c.pbm_uuid == table.c[PARENT_COLUMN])
    return table, (null(), null())


def _is_visible(columns: Mapping[str, Column[Any]]) -> ColumnElement[bool]:
    # LIKE ignores case in SQLite.
    prefix = func.substr(columns["username"], 1, len(RESERVED_PREFIX))
    return prefix != RESERVED_PREFIX


def _find_check(column_type: TypeEngine[Any]) -> Check:
    """Return whether a value can be in a column of this type."""
    if isinstance(column_type, Boolean):
        return _is_boolean
    if isinstance(column_type, Integer):
        return _is_integer
    return _is_uuid if isinstance(column_type, CHAR) else _is_text


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and MINIMUM <= value <= MAXIMUM


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and is_uuid(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and UNSTORABLE.search(value) is None
