"""A SELECT that is compiled to text once, and asked with values any number of times."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from sqlalchemy import ClauseElement, Dialect, Executable, SelectBase, TextClause, text
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Rows = Sequence[Sequence[Any]]
Convert = Callable[[Any], Any]


class SelectBuilder(Protocol):
    """What is asked of a database, but for the values: equal where the SELECT is the same."""

    def __hash__(self) -> int: ...

    def select(self) -> Executable:
        """The SELECT, with a named parameter for each value."""
        ...


@dataclass(frozen=True, slots=True)
class RawSQL:
    """A question that is asked in SQL's own words."""

    sql: str

    def select(self) -> TextClause:
        """These words."""
        return text(self.sql)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A place for a value; `constant` is the value of one that has no name of ours."""

    name: str
    encode: Convert | None
    constant: Any

    def argument(self, values: Mapping[str, Any]) -> Any:
        """The value as the driver takes it."""
        value = values.get(self.name, self.constant)
        return self.encode(value) if self.encode else value


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL as a driver takes it: its parameters in order, and what it gives in other types."""

    text: str
    parameters: tuple["Parameter", ...]
    decoders: tuple[tuple[int, Convert], ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the parameters."""
        return [parameter.argument(values) for parameter in self.parameters]

    def columns(self, rows: Rows) -> list[Sequence[Any]]:
        """The rows of an answer, turned into columns; none where there is no row."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for index, decode in self.decoders if columns else ():
            columns[index] = list(map(decode, columns[index]))
        return columns

    def rows(self, rows: Rows) -> Rows:
        """The rows of an answer, with their values as the SELECT's types have them."""
        return list(zip(*self.columns(rows), strict=True)) if self.decoders else rows


def compile_select(question: SelectBuilder, dialect: Dialect) -> Statement:
    """The question in the SQL of a dialect whose parameters have a place, not a name."""
    select = question.select()
    sql = cast(SQLCompiler, cast(ClauseElement, select).compile(dialect=dialect))
    columns = select.selected_columns if isinstance(select, SelectBase) else ()
    decoders = ((index, _decoder(column.type, dialect)) for index, column in enumerate(columns))
    return Statement(
        sql.string,
        tuple(_parameter(sql, name, dialect) for name in sql.positiontup or ()),
        tuple((index, decode) for index, decode in decoders if decode),
    )


def _parameter(sql: SQLCompiler, name: str, dialect: Dialect) -> Parameter:
    bound = sql.binds[name]
    encode = bound.type.dialect_impl(dialect).bind_processor(dialect)
    return Parameter(name, encode, bound.effective_value)


def _decoder(type_: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return type_.dialect_impl(dialect).result_processor(dialect, None)
