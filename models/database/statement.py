"""SELECT statements, compiled once and executed with any values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from sqlalchemy import ClauseElement, Dialect, Executable, SelectBase, TextClause, text
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Rows = Sequence[Sequence[Any]]
Converter = Callable[[Any], Any]


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
    """The SQL text for a driver, its positional parameters and the decoders of its columns."""

    text: str
    parameters: tuple[Parameter, ...]
    decoders: tuple[tuple[int, Converter], ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of the parameters."""
        return [parameter.argument(values) for parameter in self.parameters]

    def decode_columns(self, rows: Rows) -> list[Sequence[Any]]:
        """Transpose the rows of a result to decoded columns; an empty list if there are no rows."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for index, decode in self.decoders if columns else ():
            columns[index] = list(map(decode, columns[index]))
        return columns

    def decode_rows(self, rows: Rows) -> Rows:
        """Decode the rows of a result."""
        return list(zip(*self.decode_columns(rows), strict=True)) if self.decoders else rows


def compile_select(builder: SelectBuilder, dialect: Dialect) -> Statement:
    """Compile a SELECT for a dialect with positional parameters."""
    select = builder.select()
    sql = cast(SQLCompiler, cast(ClauseElement, select).compile(dialect=dialect))
    columns = select.selected_columns if isinstance(select, SelectBase) else ()
    decoders = (
        (index, _find_decoder(column.type, dialect)) for index, column in enumerate(columns)
    )
    return Statement(
        sql.string,
        tuple(_build_parameter(sql, name, dialect) for name in sql.positiontup or ()),
        tuple((index, decode) for index, decode in decoders if decode),
    )


def _build_parameter(sql: SQLCompiler, name: str, dialect: Dialect) -> Parameter:
    bind = sql.binds[name]
    encode = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return Parameter(name, encode, bind.effective_value)


def _find_decoder(type_: TypeEngine[Any], dialect: Dialect) -> Converter | None:
    return type_.dialect_impl(dialect).result_processor(dialect, None)
