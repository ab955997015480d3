"""The prompts of prompt stages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    Text,
    cast,
    column,
    select,
    table,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col

from models.queries.arrays import VALUE_COLUMN, InUuidArray, compile_clauses
from models.queries.components import ColumnExpressions, table_of
from models.queries.rights import ALL_RIGHTS, Permission, Rights, TextToUuid
from models.tables.columns import TEXT, UUID
from models.tables.prompt import Prompt
from models.tables.settings_table import SettingList
from models.tables.stage import StageType

PROMPT_STAGE = "authentik_stages_prompt.promptstage"
# The setting with a prompt stage's prompts.
PROMPTS = "fields"
PROMPT_TABLE: str = Prompt.__tablename__
PROMPT_COLUMNS: ColumnExpressions = {
    "pk": cast(col(Prompt.prompt_uuid), Text),
    "name": col(Prompt.name),
    "field_key": col(Prompt.field_key),
    "label": col(Prompt.label),
    "type": col(Prompt.type),
    "required": col(Prompt.required),
    "placeholder": col(Prompt.placeholder),
    "initial_value": col(Prompt.initial_value),
    "order": col(Prompt.order),
    "sub_text": col(Prompt.sub_text),
    "placeholder_expression": col(Prompt.placeholder_expression),
    "initial_value_expression": col(Prompt.initial_value_expression),
}


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A prompt, with authentik's names."""

    pk: str
    name: str
    field_key: str
    label: str
    type: str
    required: bool
    placeholder: str
    initial_value: str
    order: int
    sub_text: str
    placeholder_expression: bool
    initial_value_expression: bool


PROMPT_ROW = tuple(PromptRow.__slots__)


class _JsonItems(FunctionElement[str]):
    """The strings in the list `fields` of settings, as the rows of a table."""

    inherit_cache = True


@compiles(_JsonItems, "postgresql")
def _postgresql_items(element: _JsonItems, compiler: SQLCompiler, **options: Any) -> str:
    [settings] = compile_clauses(element, compiler, options)
    items = f"{settings} -> '{PROMPTS}'"
    is_list = f"jsonb_typeof({items}) = 'array'"
    return f"jsonb_array_elements_text(CASE WHEN {is_list} THEN {items} ELSE '[]' END)"


@compiles(_JsonItems, "sqlite")
def _sqlite_items(element: _JsonItems, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compile_clauses(element, compiler, options)[0]}, '$.{PROMPTS}')"


class PromptsOfStages(NamedTuple):
    """SELECT the visible prompts of the stages `parents`; the first column is the stage.

    Prompts are in the order in which a stage shows them. `links` is authentik's table of the prompts
    of stages, None in FlowQL's own database. Parameters: `parents`, and those of `rights`.
    """

    links: SettingList | None
    columns: tuple[str, ...]
    rights: Rights

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, with one row for each stage and prompt."""
        stage, prompt, links = self._link()
        conditions = self.rights.conditions(Permission.VIEW_PROMPT, col(Prompt.prompt_uuid))
        return (
            select(cast(stage, Text), *(PROMPT_COLUMNS[name] for name in self.columns))
            .select_from(links)
            .join(Prompt, col(Prompt.prompt_uuid) == prompt)
            .where(InUuidArray(stage, "parents"), *conditions)
            .order_by(stage, col(Prompt.order), col(Prompt.name), col(Prompt.prompt_uuid))
        )

    def _link(
        self,
    ) -> tuple[SQLColumnExpression[str], ColumnElement[str], FromClause]:
        """Return the columns of a stage and of a prompt, and the tables that have them."""
        if self.links:
            owner: SQLColumnExpression[str] = column(self.links.owner, UUID)
            item: SQLColumnExpression[str] = column(self.links.item, UUID)
            links = table(self.links.table, owner, item)
            return links.c[self.links.owner], links.c[self.links.item], links
        items = _JsonItems(col(StageType.settings)).table_valued(column(VALUE_COLUMN, TEXT))
        types = table_of(StageType)
        is_prompt_stage = col(StageType.model) == PROMPT_STAGE
        source = types.join(items, is_prompt_stage)
        return col(StageType.ptr_id), TextToUuid(items.c[VALUE_COLUMN]), source


class PromptsByPk(NamedTuple):
    """SELECT the visible prompts among `pks`, ordered by name.

    Parameters: `pks`, and those of `rights`.
    """

    columns: tuple[str, ...] = PROMPT_ROW
    rights: Rights = ALL_RIGHTS

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT."""
        key = col(Prompt.prompt_uuid)
        columns: Sequence[Any] = [PROMPT_COLUMNS[name] for name in self.columns]
        conditions = self.rights.conditions(Permission.VIEW_PROMPT, key)
        is_selected = InUuidArray(key, "pks")
        return select(*columns).where(is_selected, *conditions).order_by(col(Prompt.name))
