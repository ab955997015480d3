"""Every shape of statement that FlowQL sends to PostgreSQL, with values for its parameters."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, product
from typing import Any, NamedTuple
from uuid import UUID

from gql.resolvers.bindings import build_type_lookup
from gql.resolvers.prompts import find_links
from models.authentik.natural_keys import NATURAL_KEYS
from models.database import Database, Session
from models.database.statement import SelectBuilder
from models.queries import flows as flow_queries
from models.queries import keyset
from models.queries.bindings import (
    POLICY_BINDING_ROW,
    STAGE_BINDING_ROW,
    FlowsUsing,
    Lookup,
    PolicyBindings,
    StageBindings,
)
from models.queries.component_lists import (
    BY_NAME,
    AnyComponentsByPk,
    Components,
    ComponentsByPk,
    StagesByName,
)
from models.queries.components import Component, TypeLookup
from models.queries.conditions import And, Comparison, Condition, Not, Operator, Or, UsesComponent
from models.queries.flows import (
    COLUMNS,
    ORDERING_FIELDS,
    ExportableFlows,
    FlowCount,
    FlowFilter,
    FlowQuery,
    Flows,
    FlowsByPk,
    OffsetPage,
    Ordering,
)
from models.queries.keyset import KeysetPage, KeysetRows, PageInfoQuery
from models.queries.names import COMPONENTS, FLOW, NaturalKeysByPk
from models.queries.prompts import PROMPT_ROW, PromptsByPk, PromptsOfStages
from models.queries.rights import ALL_RIGHTS
from models.queries.settings import ComponentSettings
from models.queries.source import SourceQuery
from models.queries.viewer import Viewer, ViewerByKey, ViewerRow, build_viewer
from models.tables.cached_plan import plan_prefix

PAGE_SIZE = 20
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALL_FLOWS = FlowQuery()
SUPERUSER, ALL_BY_ROLE = "superuser", "all by role"
# The users whose tokens are measured, by the number of their token. The last one sees the flows of
# its groups, and in FlowQL's own database those of a scope.
VIEWERS: Mapping[str, int] = {
    SUPERUSER: 1,
    ALL_BY_ROLE: 2,
    "some flows": 3,
    "some of everything": 4,
    "groups or scope": 5,
}
SMALL_COLUMNS = ("slug", "name")
COMPONENT_COLUMNS = {
    Component.STAGE: ("pk", "name", "type"),
    Component.POLICY: ("pk", "name", "type", "execution_logging"),
}
# Orderings of restricted viewers: by an index, and by a column without one.
FEW_ORDERINGS = ("slug", "name")
SEARCHES: Mapping[str, tuple[str, ...]] = {
    "common": ("password",),
    "rare": ("flow-1234",),
    "nothing": ("absent",),
    "two terms": ("guest", "consent"),
    "four terms": ("guest", "flow", "sign", "message"),
}
# Values of filters that match one flow, or many.
FILTERS: Mapping[str, str] = {
    "pk": "",
    "name": "Übliche password 1333",
    "slug": "default-flow-4000",
    "designation": "recovery",
    "denied_action": "message",
}
MODELS = {
    Component.STAGE: "authentik_stages_email.emailstage",
    Component.POLICY: "authentik_policies_dummy.dummypolicy",
}
# A parameter `value` and its operator.
STRINGS: Mapping[str, tuple[Operator, str | tuple[str, ...]]] = {
    "equals": (Operator.EQUALS, "{0}-1"),
    "in": (Operator.IN, ("{0}-1", "{0}-2", "{0}-3")),
    "contains": (Operator.CONTAINS, "{0}-12"),
    "contains insensitive": (Operator.CONTAINS_INSENSITIVE, "{0}-12"),
    "starts with": (Operator.STARTS_WITH, "{0}-12"),
    "ends with": (Operator.ENDS_WITH, "99"),
}


class Shape(NamedTuple):
    """A statement with the values of its parameters."""

    name: str
    builder: SelectBuilder
    values: Mapping[str, Any]


def key_of(kind: str, name: object) -> str:
    """Return the primary key of a row, as the SQL files compute it."""
    return str(UUID(hashlib.md5(f"{kind} {name}".encode(), usedforsecurity=False).hexdigest()))


def keys_of(kind: str, count: int = PAGE_SIZE) -> Sequence[str]:
    """Return the primary keys of the first rows."""
    return [key_of(kind, number) for number in range(count)]


async def list_shapes(database: Database, flow_count: int) -> Sequence[Shape]:
    """Return the shapes for each kind of viewer."""
    shapes: list[Shape] = []
    async with database.open_session(is_snapshot=True) as session:
        for name, number in VIEWERS.items():
            viewer_shape = _build_viewer_shape(database, name, number)
            [row] = await session.read(viewer_shape.builder, viewer_shape.values)
            viewer = build_viewer(ViewerRow(*row))
            shapes.append(viewer_shape)
            # The statements of a viewer of everything are those of a superuser.
            if viewer.has_flows and name != ALL_BY_ROLE:
                middle = await _read_middle(session, flow_count)
                shapes += _Shapes(session, name, viewer, flow_count, middle).list()
    return shapes


def _build_viewer_shape(database: Database, name: str, number: int) -> Shape:
    builder = ViewerByKey(database.is_flowql, database.catalog.has_api_token_view)
    key = database.stored_token_key(f"key-{number}")
    return Shape(f"{name}: viewer", builder, {"key": key, "now": NOW})


async def _read_middle(session: Session, flow_count: int) -> Mapping[str, Any]:
    """Return the columns of a flow in the middle of the list, which cursors name."""
    everything = FlowFilter(("pk",), is_searched=False, rights=ALL_RIGHTS)
    query = Flows(everything, COLUMNS, session.catalog.plan_keys)
    values = {"pk": key_of("flow", flow_count // 2), "plans": plan_prefix(session.schema)}
    [row] = await session.read(query, values)
    return dict(zip(COLUMNS, row, strict=True))


@dataclass(frozen=True, slots=True)
class _Shapes:
    """The shapes of one viewer."""

    session: Session
    viewer_name: str
    viewer: Viewer
    flow_count: int
    middle: Mapping[str, Any]

    def list(self) -> Iterator[Shape]:
        """Yield all shapes."""
        shapes = chain(
            self._offset_pages(),
            self._filters(),
            self._single_flows(),
            self._flow_conditions(),
            self._flow_connections(),
            self._bindings(),
            self._components(Component.STAGE, "stage"),
            self._components(Component.POLICY, "policy"),
            self._others(),
        )
        common = {"plans": plan_prefix(self.session.schema), **self.viewer.parameters}
        for name, builder, values in shapes:
            yield Shape(f"{self.viewer_name}: {name}", builder, {**common, **values})

    @property
    def _is_superuser(self) -> bool:
        return self.viewer_name == SUPERUSER

    @property
    def _counts(self) -> Sequence[bool]:
        """Whether pages are counted."""
        return (True, False) if self._is_superuser else (True,)

    @property
    def _orderings(self) -> Sequence[Ordering]:
        names = ORDERING_FIELDS if self._is_superuser else FEW_ORDERINGS
        return [Ordering(name, descending) for name in names for descending in (False, True)]

    def _filter(self, query: FlowQuery = ALL_FLOWS, where: Condition | None = None) -> FlowFilter:
        return flow_queries.build_filter(query, self.viewer)._replace(where=where)

    def _flows(self, flow_filter: FlowFilter, columns: tuple[str, ...] = COLUMNS) -> Flows:
        return Flows(flow_filter, columns, self.session.catalog.plan_keys)

    def _page(self, flows: Flows, *terms: Ordering, is_counted: bool = True) -> OffsetPage:
        return OffsetPage(flows, flow_queries.complete_ordering(terms), is_counted)

    def _offset_pages(self) -> Iterator[Shape]:
        flows, small = self._flows(self._filter()), self._flows(self._filter(), SMALL_COLUMNS)
        offsets = {"first": 0, "middle": self.flow_count // 20}
        for term, (place, offset) in product(self._orderings, offsets.items()):
            values = {"limit": PAGE_SIZE, "offset": offset}
            yield Shape(f"{place} page by {_label(term)}", self._page(flows, term), values)
        end = {"limit": PAGE_SIZE, "offset": self.flow_count // 20 - PAGE_SIZE}
        for term in self._orderings:
            yield Shape(
                f"page by {_label(term)}, not counted",
                self._page(flows, term, is_counted=False),
                end,
            )
        two = (Ordering("designation"), Ordering("name", descending=True))
        start = {"limit": PAGE_SIZE, "offset": 0}
        yield Shape("page by two columns", self._page(flows, *two), start)
        for term in (Ordering("slug"), Ordering("name")):
            yield Shape(f"small page by {_label(term)}", self._page(small, term), start)
        yield Shape("100 flows", self._page(flows, Ordering("slug")), {"limit": 100, "offset": 0})
        yield Shape("count", FlowCount(self._filter()), {})

    def _filters(self) -> Iterator[Shape]:
        start = {"limit": PAGE_SIZE, "offset": 0}
        queries = {f"filter {name}": self._build_query(name) for name in FILTERS}
        queries |= {f"search {name}": FlowQuery(search=terms) for name, terms in SEARCHES.items()}
        queries["filter designation, search"] = FlowQuery(designation="recovery", search=("guest",))
        for (name, query), ordering in product(queries.items(), ("slug", "name")):
            flow_filter = self._filter(query)
            values = {**flow_queries.filter_values(query, self.viewer), **start}
            page = self._page(self._flows(flow_filter), Ordering(ordering))
            yield Shape(f"{name} by {ordering}", page, values)
            if ordering == "slug":
                yield Shape(f"{name}, count", FlowCount(flow_filter), values)

    def _build_query(self, name: str) -> FlowQuery:
        return FlowQuery()._replace(**{name: FILTERS[name] or key_of("flow", 2)})

    def _single_flows(self) -> Iterator[Shape]:
        for name in ("slug", "pk"):
            query = self._build_query(name)
            values = flow_queries.filter_values(query, self.viewer)
            yield Shape(f"flow of {name}", self._flows(self._filter(query)), values)
        by_pk = FlowsByPk(COLUMNS, self.session.catalog.plan_keys, self.viewer.rights)
        yield Shape("flows of pks", by_pk, {"pks": keys_of("flow")})
        yield Shape(
            "exportable flows", ExportableFlows(self.viewer.rights), {"pks": keys_of("flow")}
        )

    def _flow_conditions(self) -> Iterator[Shape]:
        for (name, condition, values), is_counted in product(
            self._list_flow_conditions(), self._counts
        ):
            rows = self._flows(self._filter(where=condition))
            page = self._keyset_page(rows, (Ordering("slug"),), is_counted=is_counted)
            suffix = "" if is_counted else ", not counted"
            yield Shape(f"where {name}{suffix}", page, {"limit": PAGE_SIZE + 1, **values})

    def _list_flow_conditions(self) -> Iterator[tuple[str, Condition, Mapping[str, Any]]]:
        for column, (name, (operator, value)) in product(("slug", "name"), STRINGS.items()):
            parameter = _format(value, "default-flow" if column == "slug" else "guest")
            yield f"{column} {name}", Comparison(column, operator, "value"), {"value": parameter}
        yield "pk in", Comparison("pk", Operator.IN, "value"), {"value": keys_of("flow")}
        is_recovery = Comparison("designation", Operator.EQUALS, "value")
        yield "designation", is_recovery, {"value": "recovery"}
        by_mode = Comparison("policy_engine_mode", Operator.EQUALS, "value")
        yield "policy engine mode", by_mode, {"value": "all"}
        for component, noun in ((Component.STAGE, "stage"), (Component.POLICY, "policy")):
            yield from self._list_use_conditions(component, noun)

    def _list_use_conditions(
        self, component: Component, noun: str
    ) -> Iterator[tuple[str, Condition, Mapping[str, Any]]]:
        def uses(condition: Condition) -> UsesComponent:
            types = self._types(component).child_tables
            return UsesComponent(component, condition, types, self.viewer.rights)

        by_name = uses(Comparison("name", Operator.EQUALS, "value"))
        by_type = uses(Comparison("type", Operator.EQUALS, "model"))
        name, model = {"value": f"{noun}-5"}, {"model": MODELS[component]}
        yield f"any {noun}", uses(And(())), {}
        yield f"no {noun}", Not(uses(And(()))), {}
        yield (
            f"{noun} pk",
            uses(Comparison("pk", Operator.EQUALS, "value")),
            {"value": key_of(noun, 5)},
        )
        for label, (operator, value) in STRINGS.items():
            condition = uses(Comparison("name", operator, "value"))
            yield f"{noun} name {label}", condition, {"value": _format(value, noun)}
        yield f"{noun} type", by_type, model
        yield f"not {noun} name", Not(by_name), name
        yield f"not {noun} type", Not(by_type), model
        yield f"{noun} name or type", Or((by_name, by_type)), {**name, **model}
        yield f"{noun} name and type", And((by_name, by_type)), {**name, **model}
        named = Comparison("name", Operator.EQUALS, "value")
        typed = Comparison("type", Operator.EQUALS, "model")
        yield f"{noun} with name and type", uses(And((named, typed))), {**name, **model}

    def _keyset_page(
        self,
        rows: KeysetRows,
        ordering: Sequence[Ordering],
        *,
        is_backward: bool = False,
        side: keyset.Side | None = None,
        is_counted: bool = True,
    ) -> KeysetPage:
        return KeysetPage(
            rows,
            tuple(ordering),
            is_backward,
            has_after=side == "after",
            has_before=side == "before",
            is_counted=is_counted,
            needs_opposite_side=side is not None,
        )

    def _connections(
        self, name: str, rows: KeysetRows, ordering: Sequence[Ordering], values: Mapping[str, Any]
    ) -> Iterator[Shape]:
        """Yield the pages at the start, at the end, and on both sides of a cursor."""
        places: Mapping[str, tuple[bool, keyset.Side | None]] = {
            "first": (False, None),
            "last": (True, None),
            "after": (False, "after"),
            "before": (True, "before"),
        }
        cursor = [values[term.name] for term in ordering]
        for (place, (is_backward, side)), is_counted in product(places.items(), self._counts):
            page = self._keyset_page(
                rows, ordering, is_backward=is_backward, side=side, is_counted=is_counted
            )
            bound = keyset.cursor_values(side, cursor, ordering) if side else {}
            suffix = ", counted" if is_counted else ""
            yield Shape(f"{name}, {place}{suffix}", page, {"limit": PAGE_SIZE + 1, **bound})
            if side:
                yield Shape(f"{name}, {place}{suffix}, empty", PageInfoQuery(page), bound)

    def _flow_connections(self) -> Iterator[Shape]:
        rows, small = self._flows(self._filter()), self._flows(self._filter(), SMALL_COLUMNS)
        for term in self._orderings:
            ordering = flow_queries.complete_ordering((term,))
            yield from self._connections(
                f"connection by {_label(term)}", rows, ordering, self.middle
            )
        ordering = (Ordering("designation"), Ordering("name", descending=True), Ordering("slug"))
        yield from self._connections("connection by two columns", rows, ordering, self.middle)
        small_ordering = flow_queries.complete_ordering((Ordering("name"),))
        yield from self._connections("small connection", small, small_ordering, self.middle)

    def _types(self, component: Component) -> TypeLookup:
        return build_type_lookup(self.session, component)

    def _bindings(self) -> Iterator[Shape]:
        plan_keys, rights = self.session.catalog.plan_keys, self.viewer.rights
        stages, policies = self._types(Component.STAGE), self._types(Component.POLICY)
        flows, targets = keys_of("flow"), keys_of("flow target")
        pks = [key_of("stage binding", f"{flow} 0") for flow in range(1, 9)]
        own_columns = tuple(name for name in STAGE_BINDING_ROW if name != "stage.type")
        flow_columns = (*own_columns, *(f"flow.{name}" for name in COLUMNS))
        for name, columns, types in (
            ("stage bindings", own_columns, None),
            ("stage bindings with types", STAGE_BINDING_ROW, stages),
            ("stage bindings with flows", flow_columns, None),
            ("stage bindings with flows and types", (*flow_columns, "stage.type"), stages),
        ):
            by_parent = StageBindings(Lookup.BY_PARENTS, columns, types, plan_keys, rights)
            yield Shape(f"{name} of flows", by_parent, {"parents": flows})
            by_pk = by_parent._replace(lookup=Lookup.BY_PKS)
            yield Shape(f"{name} of pks", by_pk, {"pks": pks})
        by_target = PolicyBindings(Lookup.BY_PARENTS, POLICY_BINDING_ROW, policies, rights)
        yield Shape("policy bindings of targets", by_target, {"parents": targets})
        untyped = by_target._replace(columns=("pk", "order", "policy.name"), types=None)
        yield Shape("policy bindings without types", untyped, {"parents": targets})
        by_key = by_target._replace(lookup=Lookup.BY_PKS)
        policy_bindings = [
            key_of("policy binding", f"{key_of('flow target', n)}0").replace("policy binding ", "")
            for n in range(PAGE_SIZE)
        ]
        yield Shape("policy bindings of pks", by_key, {"pks": policy_bindings})

    def _components(self, component: Component, noun: str) -> Iterator[Shape]:
        types, columns, rights = (
            self._types(component),
            COMPONENT_COLUMNS[component],
            self.viewer.rights,
        )
        untyped = tuple(name for name in columns if name != "type")
        pks, plan_keys = keys_of(noun), self.session.catalog.plan_keys
        using = FlowsUsing(component, COLUMNS, plan_keys, rights)
        plural = "stages" if component is Component.STAGE else "policies"
        yield Shape(f"flows of {plural}", using, {"parents": pks, "first": PAGE_SIZE})
        yield Shape(f"{plural} of pks", ComponentsByPk(types, columns, rights), {"pks": pks})
        yield Shape(
            f"{plural} of pks, no types", ComponentsByPk(types, untyped, rights), {"pks": pks}
        )
        middle = {"name": f"{noun}-500", "pk": key_of(noun, 500)}
        for name, listed in ((f"{plural}", columns), (f"{plural}, no types", untyped)):
            yield from self._connections(name, Components(types, listed, rights), BY_NAME, middle)
        for label, condition, values in self._list_component_conditions(component, noun):
            for is_counted in self._counts:
                rows = Components(types, columns, rights, condition)
                page = self._keyset_page(rows, BY_NAME, is_counted=is_counted)
                suffix = "" if is_counted else ", not counted"
                yield Shape(
                    f"{plural} where {label}{suffix}", page, {"limit": PAGE_SIZE + 1, **values}
                )
        yield from self._settings(component, plural, pks)

    def _list_component_conditions(
        self, component: Component, noun: str
    ) -> Iterator[tuple[str, Condition, Mapping[str, Any]]]:
        for label, (operator, value) in STRINGS.items():
            yield (
                f"name {label}",
                Comparison("name", operator, "value"),
                {"value": _format(value, noun)},
            )
        by_type = Comparison("type", Operator.EQUALS, "value")
        yield "type", by_type, {"value": MODELS[component]}
        yield "not type", Not(by_type), {"value": MODELS[component]}
        pk = Comparison("pk", Operator.EQUALS, "value")
        yield "pk", pk, {"value": key_of(noun, 5)}

    def _settings(self, component: Component, plural: str, pks: Sequence[str]) -> Iterator[Shape]:
        is_own, catalog = self.session.is_flowql, self.session.catalog
        tables = None if is_own else catalog.settings_tables(component.value)
        access = self.viewer.rights.view_settings
        query = ComponentSettings(component, tables, access)
        yield Shape(f"settings of {plural}", query, {"pks": pks})
        if self._is_superuser:
            any_component = AnyComponentsByPk(component, ("pk", "name"))
            yield Shape(f"any {plural} of pks", any_component, {"pks": pks})

    def _others(self) -> Iterator[Shape]:
        stages, rights = [key_of("stage", n) for n in range(3, 83, 4)], self.viewer.rights
        is_own = self.session.is_flowql
        links = None if is_own else find_links(self.session)
        yield Shape(
            "prompts of stages", PromptsOfStages(links, PROMPT_ROW, rights), {"parents": stages}
        )
        yield Shape("prompts of pks", PromptsByPk(PROMPT_ROW, rights), {"pks": keys_of("prompt")})
        keys = [*keys_of("flow"), *keys_of("stage"), *keys_of("policy"), *keys_of("prompt")]
        yield Shape("names", NaturalKeysByPk(tuple(self._list_models()), rights), {"pks": keys})
        if self._is_superuser:
            yield Shape("stages of names", StagesByName(), {"names": ["stage-1", "absent"]})
        if self._is_superuser and is_own:
            yield Shape("source", SourceQuery(), {})

    def _list_models(self) -> Iterator[str]:
        for model, natural in NATURAL_KEYS.items():
            can_read = self.session.catalog.can_read(natural.table, natural.pk, natural.column)
            if can_read and (model in (FLOW, *COMPONENTS) or not self.session.is_flowql):
                yield model


def _format(value: str | tuple[str, ...], noun: str) -> Any:
    return value.format(noun) if isinstance(value, str) else [part.format(noun) for part in value]


def _label(term: Ordering) -> str:
    return f"-{term.name}" if term.descending else term.name
