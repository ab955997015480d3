"""The rows of one kind that an import has read or planned, with indexes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import (
    CHAR,
    Boolean,
    Column,
    ColumnElement,
    Integer,
    Select,
    Table,
    UniqueConstraint,
    func,
    null,
    select,
)
from sqlalchemy.types import TypeEngine

from models.blueprint.kinds import MODE_COLUMN, USER, Kind
from models.blueprint.row import COLUMNS, PARENT, Row, State
from models.blueprint.values import MAXIMUM, MINIMUM
from models.tables.access import RESERVED_PREFIX
from models.tables.flow import PolicyBindingModel
from models.tables.metadata import METADATA

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
PARENT_TABLE = METADATA.tables[PolicyBindingModel.__tablename__]
PARENT_COLUMN = "policybindingmodel_ptr_id"

Record = sqlalchemy.Row[Any]


class RowTable:
    """The rows of a kind that were read or planned, without deleted ones.

    `indexed` are the columns with an index in the database, the most selective ones first.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.columns = COLUMNS[kind.name]
        self.indexed = _list_indexed_columns(kind)
        self._sql = _map_columns(kind)
        self._known = {column: set[Any]() for column in self._sql}
        self.is_complete = False
        # Both contain deleted rows as well: the database still has them.
        self._rows: list[Row] = []
        self._read: dict[Any, Row] = {}
        self._indexes: dict[tuple[str, ...], _Index] = {}
        self._strings: dict[str, str] = {}

    def accepts(self, column: str, value: Any) -> bool:
        """Return whether the column can have a value. PostgreSQL cannot compare it with others."""
        return value is None or _is_of_type(self._sql[column].type, value)

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

    def add_all(self, records: Iterable[Record]) -> None:
        """Add all rows of the database, as they were selected."""
        self._add_read(records)
        self.is_complete = True

    def add_some(self, column: str, values: Iterable[Any], records: Iterable[Record]) -> None:
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

    def update(self, row: Row, values: Mapping[str, Any]) -> None:
        """Change columns of a row."""
        indexes = [index for index in self._indexes.values() if index.has_any(values)]
        for index in indexes:
            index.remove(row)
        row.values = tuple(map(values.get, self.columns, row.values))
        for index in indexes:
            index.add(row)

    def find(self, conditions: Mapping[str, Any]) -> Iterable[Row]:
        """Return the rows with equal values of these columns, of which there must be one."""
        columns = tuple(sorted(conditions))
        index = self._indexes.get(columns) or self._build_index(columns)
        return index.find(tuple(map(conditions.__getitem__, columns)))

    def list(self) -> Iterable[Row]:
        """Return all rows."""
        return (row for row in self._rows if not row.is_deleted)

    def _add_read(self, records: Iterable[Record]) -> None:
        for pk, parent, model, settings, *values in records:
            if pk not in self._read:
                self._read[pk] = self._build_row(pk, parent, model, settings, values)
                self.add(self._read[pk])

    def _build_row(self, pk: Any, parent: Any, model: Any, settings: Any, columns: Any) -> Row:
        state = State(tuple(map(self._share, columns)), model, settings)
        return Row(self.kind, pk, parent, *state, original=state)

    def _share(self, value: Any) -> Any:
        """Return an equal string that other rows use: choices and keys occur many times."""
        return self._strings.setdefault(value, value) if isinstance(value, str) else value

    def _build_index(self, columns: tuple[str, ...]) -> "_Index":
        index = self._indexes[columns] = _Index(columns)
        for row in self.list():
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
        rows = self._rows.get(values if len(values) > 1 else values[0], ())
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


def _is_of_type(column_type: TypeEngine[Any], value: Any) -> bool:
    if isinstance(column_type, Boolean):
        return isinstance(value, bool)
    if isinstance(column_type, Integer):
        return isinstance(value, int) and not isinstance(value, bool) and MINIMUM <= value <= MAXIMUM
    if isinstance(column_type, CHAR):
        return isinstance(value, str) and UUID.fullmatch(value) is not None
    return isinstance(value, str) and UNSTORABLE.search(value) is None
