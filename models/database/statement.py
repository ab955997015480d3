"""SELECT statements, compiled once and executed with any values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from sqlalchemy import (
    ClauseElement,
    Dialect,
    Executable,
    Select,
    SelectBase,
    Text,
    TextClause,
    literal_column,
    text,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Rows = Sequence[Sequence[Any]]
Converter = Callable[[Any], Any]


class NoRows(list[Sequence[Any]]):
    """A result without rows, with the version that was read after it on the same connection."""

    def __init__(self, version: str | None) -> None:
        super().__init__()
        self.version = version


class SelectBuilder(Protocol):
    """A description of a SELECT without values; equal builders build the same SELECT."""

    def __hash__(self) -> int: ...

    def select(self) -> Executable:
        """Return the SELECT, with a named parameter for each value."""
        ...


@dataclass(frozen=True, slots=True)
class RawSQL:
    """A SELECT written in SQL."""

    sql: str

    def select(self) -> TextClause:
        return text(self.sql)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A positional parameter; `constant` is its value if SQLAlchemy generated it."""

    name: str
    encode: Converter | None
    constant: Any

    def argument(self, values: Mapping[str, Any]) -> Any:
        """Return the value, encoded for the driver."""
        value = values.get(self.name, self.constant)
        return self.encode(value) if self.encode else value


@dataclass(frozen=True, slots=True)
class Statement:
    """The SQL text for a driver, its positional parameters and the decoders of its columns.

    With `has_version`, the last column is the version of the data in the rows.
    """

    text: str
    parameters: tuple[Parameter, ...]
    decoders: tuple[tuple[int, Converter], ...]
    has_version: bool = False

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of the parameters."""
        return [parameter.argument(values) for parameter in self.parameters]

    def version(self, rows: Rows) -> str | None:
        """Return the version of the rows, None if they do not have one, as on a standby."""
        if isinstance(rows, NoRows):
            return rows.version
        return rows[0][-1] if self.has_version and rows else None

    def decode_columns(self, rows: Rows) -> list[Sequence[Any]]:
        """Transpose the rows of a result to decoded columns; an empty list if there are no rows.

        The version is not among them.
        """
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        if self.has_version and columns:
            del columns[-1]
        for index, decode in self.decoders if columns else ():
            columns[index] = list(map(decode, columns[index]))
        return columns

    def decode_rows(self, rows: Rows) -> Rows:
        """Decode the rows of a result, without the version."""
        if self.decoders or self.has_version:
            return list(zip(*self.decode_columns(rows), strict=True))
        return rows


def compile_select(
    builder: SelectBuilder, dialect: Dialect, version_column: str | None = None
) -> Statement:
    """Compile a SELECT for a dialect with positional parameters.

    A statement in SQL, or with UNION, does not get the column of the version.
    """
    plain = builder.select()
    select = _add_version(plain, version_column) if version_column else plain
    sql = cast(SQLCompiler, cast(ClauseElement, select).compile(dialect=dialect))
    columns = select.selected_columns if isinstance(select, SelectBase) else ()
    decoders = (
        (index, _find_decoder(column.type, dialect)) for index, column in enumerate(columns)
    )
    return Statement(
        sql.string,
        tuple(_build_parameter(sql, name, dialect) for name in sql.positiontup or ()),
        tuple((index, decode) for index, decode in decoders if decode),
        has_version=select is not plain,
    )


def _add_version(select: Executable, column: str) -> Executable:
    return (
        select.add_columns(literal_column(column, Text)) if isinstance(select, Select) else select
    )


def _build_parameter(sql: SQLCompiler, name: str, dialect: Dialect) -> Parameter:
    bind = sql.binds[name]
    encode = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return Parameter(name, encode, bind.effective_value)


def _find_decoder(type_: TypeEngine[Any], dialect: Dialect) -> Converter | None:
    return type_.dialect_impl(dialect).result_processor(dialect, None)
