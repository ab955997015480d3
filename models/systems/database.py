"""The content of a database: FlowQL's own or authentik's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    CHAR,
    ColumnElement,
    Select,
    Text,
    func,
    not_,
    null,
    select,
)
from sqlalchemy import cast as cast_sql

from models.authentik.natural_keys import NATURAL_KEYS
from models.authentik.stored_settings import StoredSettings, parse_settings
from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    KINDS,
    MODE_COLUMN,
    POLICY,
    POLICY_BINDING,
    PROMPT,
    STAGE,
    STAGE_BINDING,
    USER,
    Kind,
)
from models.blueprint.exporting.values import find_keys
from models.blueprint.rows.row_table import PARENT_COLUMN, PARENT_TABLE, get_table
from models.database import Database, Session
from models.queries.components import Component
from models.queries.names import COMPONENTS, NaturalKeysByPk
from models.queries.prompts import PROMPT_ROW, PROMPT_TABLE
from models.queries.rights import ALL_RIGHTS, Access
from models.queries.settings import ComponentSettings
from models.systems.content import Origin, Record, SystemContent
from models.tables.access import RESERVED_PREFIX, SUPERUSERS

KINDS_OF_COMPONENTS = {STAGE.name: Component.STAGE, POLICY.name: Component.POLICY}
# The models whose objects are records.
RECORD_MODELS = {FLOW.model, GROUP.model, PROMPT.model, *COMPONENTS}


class ObjectsOfKind(NamedTuple):
    """SELECT the objects of a kind: primary key, key of the parent row, columns.

    Policy bindings are those of flows and stage bindings. Groups and users are those that policy
    bindings refer to, or with `is_complete` all but FlowQL's own.
    """

    kind: str
    is_complete: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, without an order."""
        kind = KINDS[self.kind]
        table: Any = get_table(kind)
        source = table
        if kind.has_parent:
            is_parent = PARENT_TABLE.c.pbm_uuid == table.c[PARENT_COLUMN]
            source = table.join(PARENT_TABLE, is_parent)
        columns = [_as_text(column) for column in _list_columns(kind)]
        return select(*columns).select_from(source).where(*self._list_conditions(kind))

    def _list_conditions(self, kind: Kind) -> Iterator[ColumnElement[bool]]:
        table = get_table(kind)
        if kind is POLICY_BINDING:
            yield table.c.target_id.in_(_select_targets())
        elif kind in (GROUP, USER) and self.is_complete:
            yield _is_visible(table.c[kind.unique[0]])
        elif kind in (GROUP, USER):
            bindings = get_table(POLICY_BINDING)
            bound = select(bindings.c[f"{kind.name}_id"])
            yield table.c[kind.pk].in_(bound.where(bindings.c.target_id.in_(_select_targets())))


async def read_content(database: Database) -> SystemContent:
    """Return the content of a database in one state. Raises UnavailableError or DatabaseError."""
    async with database.open_session(is_snapshot=True) as session:
        return await _Reader(session).read()


class _Reader:
    """Reads the content in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._records: dict[str, list[Record]] = {name: [] for name in KINDS}
        # The groups that settings refer to.
        self._groups: dict[str, Record] = {}

    async def read(self) -> SystemContent:
        unknown_kinds = () if self._can_read_prompts() else (PROMPT.name,)
        for kind in KINDS.values():
            if kind.name not in unknown_kinds:
                await self._read_kind(kind)
        groups = {record.pk: record for record in self._records[GROUP.name]}
        self._records[GROUP.name] = list({**self._groups, **groups}.values())
        is_own = self._session.is_flowql
        return SystemContent(
            Origin.FLOWQL if is_own else Origin.AUTHENTIK,
            self._records,
            frozenset() if is_own else frozenset(self._list_unknown_settings()),
            unknown_kinds=unknown_kinds,
        )

    def _can_read_prompts(self) -> bool:
        columns = ("prompt_uuid", *PROMPT_ROW[1:])
        return self._session.is_flowql or self._session.catalog.can_read(PROMPT_TABLE, *columns)

    async def _read_kind(self, kind: Kind) -> None:
        query = ObjectsOfKind(kind.name, self._session.is_flowql)
        rows = await self._session.read(query)
        types = await self._read_types(kind, [row[0] for row in rows])
        for pk, parent, *values in rows:
            model, settings = types.get(pk, (None, None))
            self._records[kind.name].append(Record(pk, parent, model, settings, tuple(values)))

    async def _read_types(
        self, kind: Kind, pks: Sequence[str]
    ) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
        """Return the models and settings of components by primary key."""
        component = KINDS_OF_COMPONENTS.get(kind.name)
        if component is None or not pks:
            return {}
        is_own = self._session.is_flowql
        tables = None if is_own else self._session.catalog.settings_tables(component.value)
        if tables == ():
            return {}
        query = ComponentSettings(component, tables, Access.ALL)
        rows = sorted(await self._session.read(query, {"pks": pks}), key=_get_model, reverse=True)
        types = {
            pk: (model, parse_settings(StoredSettings(model, text, is_own)))
            for pk, model, _, text in rows
        }
        return types if is_own else await self._name_references(types)

    async def _name_references(
        self, types: Mapping[str, tuple[str, Mapping[str, Any]]]
    ) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
        """Replace the primary keys of objects that are no records by their natural keys."""
        keys = sorted({key for _, settings in types.values() for key in find_keys(settings)})
        models = tuple(self._list_readable_models())
        if not keys or not models:
            return types
        rows = await self._session.read(NaturalKeysByPk(models, ALL_RIGHTS), {"pks": keys})
        names = {pk: (model, name) for model, pk, name in rows}
        self._add_groups(names)
        outside = {pk: name for pk, name in names.items() if name[0] not in RECORD_MODELS}
        return {
            pk: (model, {name: _name(value, outside) for name, value in settings.items()})
            for pk, (model, settings) in types.items()
        }

    def _list_readable_models(self) -> Iterator[str]:
        for model, natural in NATURAL_KEYS.items():
            if self._session.catalog.can_read(natural.table, natural.pk, natural.column):
                yield model

    def _add_groups(self, names: Mapping[str, tuple[str, str]]) -> None:
        for pk, (model, name) in names.items():
            if model == GROUP.model:
                self._groups[pk] = Record(pk, None, None, None, (name,))

    def _list_unknown_settings(self) -> Iterator[tuple[str, str]]:
        for component in KINDS_OF_COMPONENTS.values():
            for table in self._session.catalog.settings_tables(component.value):
                for name in (*table.unreadable, *table.secrets):
                    yield table.child.model, name


def _list_columns(kind: Kind) -> Iterator[ColumnElement[Any]]:
    table = get_table(kind)
    yield table.c[kind.pk]
    yield table.c[PARENT_COLUMN] if kind.has_parent else null()
    for name in kind.columns:
        yield PARENT_TABLE.c[name] if name == MODE_COLUMN else table.c[name]


def _as_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a UUID as text: drivers decode it to objects."""
    return cast_sql(column, Text) if isinstance(column.type, CHAR) else column


def _select_targets() -> Any:
    """SELECT the keys of the parent rows of flows and stage bindings."""
    flows, bindings = (get_table(kind).c[PARENT_COLUMN] for kind in (FLOW, STAGE_BINDING))
    return select(flows).union_all(select(bindings))


def _is_visible(name: ColumnElement[str]) -> ColumnElement[bool]:
    # LIKE ignores case in SQLite.
    is_token_user = func.substr(name, 1, len(RESERVED_PREFIX)) == RESERVED_PREFIX
    return not_(is_token_user | (name == SUPERUSERS))


def _get_model(row: Sequence[Any]) -> str:
    return row[1]


def _name(value: Any, names: Mapping[str, tuple[str, str]]) -> Any:
    """Return a setting in which references have the form of imports."""
    if isinstance(value, str):
        model, name = names.get(value, (None, ""))
        return {"$find": [model, [NATURAL_KEYS[model].field, name]]} if model else value
    if isinstance(value, list):
        return [_name(item, names) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).items()
        return {key: _name(item, names) for key, item in items}
    return value
