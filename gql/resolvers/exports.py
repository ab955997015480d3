"""Exports of flows as blueprints, with all that they consist of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gql import background
from gql.errors import MissingPermissionError
from gql.resolvers import bindings, settings
from gql.resolvers.flows import find_flow
from gql.resolvers.prompts import can_read_prompts
from gql.resolvers.rights import require_rights
from models.authentik.natural_keys import NATURAL_KEYS
from models.authentik.stored_settings import StoredSettings, parse_settings
from models.blueprint.authentik.kinds import FLOW, GROUP, PROMPT
from models.blueprint.exporting.content import (
    POLICY,
    STAGE,
    ExportContent,
    ExportedComponent,
    NaturalName,
    Note,
)
from models.blueprint.exporting.document import build_document
from models.blueprint.exporting.dump import dump
from models.blueprint.exporting.selection import Selection
from models.blueprint.exporting.values import find_keys
from models.database import Session
from models.database.privileges import describe_unreadable_types
from models.errors import ExportError
from models.queries.component_lists import AnyComponentsByPk, StagesByName
from models.queries.components import Component
from models.queries.flows import FLOW_ROW, ExportableFlows, FlowQuery, FlowRow
from models.queries.names import COMPONENTS, NaturalKeysByPk
from models.queries.prompts import PROMPT_STAGE, PromptRow, PromptsByPk
from models.queries.rights import ALL_RIGHTS, Access, Permission
from models.queries.viewer import Viewer
from models.tables.settings_table import SettingsTable

# The command line exports for whoever may read the database.
EVERYTHING = Viewer(ALL_RIGHTS, {})
ENDPOINT = "flows/instances/{slug}/export/"
FIELD = "Flow.blueprint"
# The models that FlowQL stores itself.
OWN_MODELS = (
    *(GROUP.model, FLOW.model, *COMPONENTS),
    PROMPT.model,
)
COMPONENT_KINDS = {STAGE: Component.STAGE, POLICY: Component.POLICY}
COLUMNS = {STAGE: ("pk", "name"), POLICY: ("pk", "name", "execution_logging")}
# The export of this number of objects takes some milliseconds.
MAX_INLINE_OBJECTS = 50


async def export_flow(session: Session, viewer: Viewer, query: FlowQuery) -> str | None:
    """Return the flow that matches the query as a blueprint.

    Returns None if the viewer may not see it. Raises ForbiddenError if the viewer may see the flow,
    but not export it.
    """
    rows = list((await find_flow(session, viewer, query, FLOW_ROW)).rows())
    if not rows:
        return None
    flow = FlowRow(**rows[0])
    require_rights(viewer, ENDPOINT)
    if not await _find_exportable(session, viewer, [flow]):
        raise MissingPermissionError(ENDPOINT, [Permission.EXPORT_FLOW.label])
    content = await load_content(session, viewer, [flow])
    [blueprint] = await _render(content, [flow])
    return blueprint


async def render_flows(
    session: Session, viewer: Viewer, flows: Sequence[FlowRow]
) -> Sequence[str | MissingPermissionError]:
    """Return visible flows as blueprints; an error for those that the viewer may not export.

    Raises ForbiddenError if the viewer may not export any flow. The number of statements does not
    depend on the number of flows.
    """
    require_rights(viewer, ENDPOINT, FIELD)
    exportable = await _find_exportable(session, viewer, flows)
    exported = [flow for flow in flows if flow.pk in exportable]
    content = await load_content(session, viewer, exported)
    texts = iter(await _render(content, exported))
    error = MissingPermissionError(FIELD, [Permission.EXPORT_FLOW.label])
    return [next(texts) if flow.pk in exportable else error for flow in flows]


async def list_flows(session: Session, slugs: Sequence[str] = ()) -> Sequence[FlowRow]:
    """Return the flows with these slugs, or all flows without any, whoever may see them.

    Raises ExportError if there is none with a slug.
    """
    queries = [FlowQuery(slug=slug) for slug in dict.fromkeys(slugs)] or [FlowQuery()]
    flows: list[FlowRow] = []
    for query in queries:
        rows = list((await find_flow(session, EVERYTHING, query, FLOW_ROW)).rows())
        if not rows and query.slug is not None:
            raise ExportError(f"unknown flow {query.slug!r}")
        flows += [FlowRow(**row) for row in rows]
    return flows


async def load_content(session: Session, viewer: Viewer, flows: Sequence[FlowRow]) -> ExportContent:
    """Return the content of an export of flows that the viewer may export."""
    targets = {flow.pk: flow.policybindingmodel_ptr_id for flow in flows}
    bound = await bindings.load_bindings(session, viewer, targets)
    loader = _Loader(session, viewer)
    await loader.load(
        {row.stage for rows in bound.stages.values() for row in rows},
        {row.policy for rows in bound.policies.values() for row in rows if row.policy},
    )
    return ExportContent(
        bound.stages,
        bound.policies,
        loader.components,
        await loader.load_prompts(),
        loader.names,
        loader.hidden,
        list(loader.list_notes()),
    )


async def check_copies(session: Session, names: Sequence[str]) -> None:
    """Raise ExportError if a stage has one of the names of copies."""
    if names:
        for (name,) in await session.read(StagesByName(), {"names": list(names)}):
            raise ExportError(f"a stage has the name {name!r} already: choose another slug")


async def _find_exportable(session: Session, viewer: Viewer, flows: Sequence[FlowRow]) -> set[str]:
    """Return the primary keys of the flows that the viewer has the permission to export."""
    pks = [flow.pk for flow in flows]
    if viewer.rights.export_flow is not Access.SOME:
        return set(pks)
    query = ExportableFlows(viewer.rights)
    return {pk for (pk,) in await session.read(query, {**viewer.parameters, "pks": pks})}


async def _render(content: ExportContent, flows: Sequence[FlowRow]) -> list[str]:
    return await background.call(
        lambda: [dump(build_document(content, Selection(content, [flow]))) for flow in flows],
        is_long=content.size > MAX_INLINE_OBJECTS,
    )


class _Loader:
    """Loads stages and policies, and those that their settings refer to."""

    def __init__(self, session: Session, viewer: Viewer) -> None:
        self._session = session
        self._viewer = viewer
        self.components: dict[str, dict[str, ExportedComponent]] = {STAGE: {}, POLICY: {}}
        self.names: dict[str, NaturalName] = {}
        self.hidden: set[str] = set()
        self._searched: set[str] = set()

    async def load(self, stages: Iterable[str], policies: Iterable[str]) -> None:
        """Load stages and policies with these primary keys, and those that they refer to.

        Takes at most five statements for each step from a setting to an object.
        """
        pending = {STAGE: set(stages), POLICY: set(policies)}
        while any(pending.values()):
            keys: set[str] = set()
            for kind, pks in pending.items():
                for item in await self._load_components(kind, sorted(pks)):
                    keys.update(find_keys(dict(item.settings)))
            await self._find_names(sorted(keys - self._searched))
            pending = {kind: self._find_unloaded(kind, keys) for kind in pending}

    async def load_prompts(self) -> dict[str, PromptRow]:
        """Return the prompts that settings refer to, by primary key; none if they are unreadable."""
        pks = [pk for pk, name in self.names.items() if name.model == PROMPT.model]
        if not (pks and can_read_prompts(self._session)):
            return {}
        rows = await self._session.read(PromptsByPk(), {"pks": pks})
        return {row[0]: PromptRow(*row) for row in rows}

    def list_notes(self) -> Iterator[Note]:
        """Yield what the export of stages and policies lacks because it is not readable."""
        causes = describe_unreadable_types(self._session.catalog)
        for kind, plural in ((STAGE, "stages"), (POLICY, "policies")):
            cause = f"some {plural} have no type in the database"
            yield Note(kind, None, causes.get(plural, cause))
            tables = self._list_tables(kind)
            for table in tables:
                for name in table.unreadable:
                    yield self._build_note(kind, table.child.model, f"the setting {name}")
        if not can_read_prompts(self._session):
            yield self._build_note(STAGE, PROMPT_STAGE, "a column of the prompts")

    def _build_note(self, kind: str, model: str, subject: str) -> Note:
        return Note(kind, model, f"{subject} of {model} is not readable: run 'flowql grants'")

    def _list_tables(self, kind: str) -> Sequence[SettingsTable]:
        key = COMPONENT_KINDS[kind].value
        return () if self._session.is_flowql else self._session.catalog.settings_tables(key)

    async def _load_components(self, kind: str, pks: Sequence[str]) -> Sequence[ExportedComponent]:
        if not pks:
            return ()
        component = COMPONENT_KINDS[kind]
        query = AnyComponentsByPk(component, COLUMNS[kind])
        rows = await self._session.read(query, {"pks": pks})
        stored = await settings.read_settings(component, self._session, pks)
        tables = {table.child.model: table for table in self._list_tables(kind)}
        loaded = [self._build_component(row, stored.get(row[0]), tables) for row in rows]
        self.components[kind] |= {item.pk: item for item in loaded}
        return loaded

    def _build_component(
        self,
        row: Sequence[Any],
        stored: StoredSettings | None,
        tables: Mapping[str, SettingsTable],
    ) -> ExportedComponent:
        pk, name, *logging = row
        execution_logging = logging[0] if logging else None
        if stored is None:
            return ExportedComponent(pk, name, execution_logging=execution_logging)
        table = tables.get(stored.model)
        return ExportedComponent(
            pk,
            name,
            stored.model,
            parse_settings(stored),
            execution_logging,
            table.references if table else frozenset(),
            frozenset(item.name for item in table.lists) if table else frozenset(),
            has_tags=self._session.is_flowql,
        )

    async def _find_names(self, pks: Sequence[str]) -> None:
        if not pks:
            return
        self._searched.update(pks)
        query = NaturalKeysByPk(tuple(self._list_models()), self._viewer.rights)
        rows = await self._session.read(query, {**self._viewer.parameters, "pks": pks})
        for model, pk, name in rows:
            if name is None:
                self.hidden.add(pk)
            else:
                self.names[pk] = NaturalName(model, name)

    def _list_models(self) -> Iterator[str]:
        """Yield the models whose natural keys can be read."""
        for model, natural in NATURAL_KEYS.items():
            can_read = self._session.catalog.can_read(natural.table, natural.pk, natural.column)
            if can_read and (model in OWN_MODELS or not self._session.is_flowql):
                yield model

    def _find_unloaded(self, kind: str, keys: Iterable[str]) -> set[str]:
        loaded, component = self.components[kind], COMPONENT_KINDS[kind]
        named = (key for key in keys if key in self.names and key not in loaded)
        return {key for key in named if COMPONENTS.get(self.names[key].model) is component}
