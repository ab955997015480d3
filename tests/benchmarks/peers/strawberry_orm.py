"""Strawberry as documented, on SQLModel's ORM without N+1 queries.

python strawberry_orm.py <port> <SQLAlchemy URL>

Both of Strawberry's caches are enabled, selectinload reads relations only if they are selected, no
statement reads an unused column, and orjson serializes the responses.
"""

import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar

import orjson
import strawberry
from sessions import Sessions, open_sessions
from sqlalchemy import ColumnElement, ForeignKey, Text, cast, func, literal, or_
from sqlalchemy.orm import joinedload, load_only, selectinload
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import Field, Relationship, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.types.nodes import SelectedField
from under_uvicorn import serve

from models.tables.columns import UUID
from models.tables.flow import (
    FlowAuthentication,
    FlowDeniedAction,
    FlowDesignation,
    FlowLayout,
    PolicyEngineMode,
)

PLANNER = "public::1:goauthentik.io/flows/planner/"
LAST_CHARACTER = chr(0x10FFFF)


class TargetRow(SQLModel, table=True):
    """A target of policy bindings."""

    __tablename__: ClassVar[Any] = "authentik_policies_policybindingmodel"

    pbm_uuid: str = Field(sa_type=UUID, primary_key=True)
    policy_engine_mode: str


class FlowRow(SQLModel, table=True):
    """A flow."""

    __tablename__: ClassVar[Any] = "authentik_flows_flow"

    flow_uuid: str = Field(sa_type=UUID, primary_key=True)
    policybindingmodel_ptr_id: str = Field(
        sa_type=UUID, sa_column_args=[ForeignKey("authentik_policies_policybindingmodel.pbm_uuid")]
    )
    name: str
    slug: str
    title: str
    layout: str
    designation: str
    background: str
    compatibility_mode: bool
    denied_action: str
    authentication: str

    target: TargetRow = Relationship()
    stage_bindings: list["StageBindingRow"] = Relationship(
        sa_relationship_kwargs={
            "order_by": "StageBindingRow.order, StageBindingRow.fsb_uuid",
        }
    )
    policy_bindings: list["PolicyBindingRow"] = Relationship(
        sa_relationship_kwargs={
            "primaryjoin": "and_("
            "foreign(PolicyBindingRow.target_id) == FlowRow.policybindingmodel_ptr_id,"
            " PolicyBindingRow.policy_id.is_not(None))",
            "order_by": "PolicyBindingRow.order, PolicyBindingRow.policy_binding_uuid",
            "viewonly": True,
        }
    )


class StageBindingRow(SQLModel, table=True):
    """The binding of a stage to a flow."""

    __tablename__: ClassVar[Any] = "authentik_flows_flowstagebinding"

    fsb_uuid: str = Field(sa_type=UUID, primary_key=True)
    order: int
    stage_id: str = Field(sa_type=UUID)
    target_id: str = Field(
        sa_type=UUID, sa_column_args=[ForeignKey("authentik_flows_flow.flow_uuid")]
    )


class PolicyBindingRow(SQLModel, table=True):
    """A policy, group or user that is bound to a target."""

    __tablename__: ClassVar[Any] = "authentik_policies_policybinding"

    policy_binding_uuid: str = Field(sa_type=UUID, primary_key=True)
    order: int
    policy_id: str = Field(sa_type=UUID)
    target_id: str = Field(sa_type=UUID)


class CacheEntry(SQLModel, table=True):
    """A cache entry, such as a cached plan of a flow."""

    __tablename__: ClassVar[Any] = "django_postgres_cache_cacheentry"

    cache_key: str = Field(primary_key=True)


for enum in (FlowAuthentication, FlowDeniedAction, FlowDesignation, FlowLayout, PolicyEngineMode):
    strawberry.enum(enum)


@strawberry.enum
class FlowOrdering(Enum):
    """The orderings of flows; a leading hyphen means descending."""

    SLUG_ASC = "slug"
    SLUG_DESC = "-slug"
    NAME_ASC = "name"
    NAME_DESC = "-name"
    TITLE_ASC = "title"
    TITLE_DESC = "-title"
    DESIGNATION_ASC = "designation"
    DESIGNATION_DESC = "-designation"
    LAYOUT_ASC = "layout"
    LAYOUT_DESC = "-layout"
    AUTHENTICATION_ASC = "authentication"
    AUTHENTICATION_DESC = "-authentication"


@strawberry.type
class Pagination:
    """The position of a page in the list."""

    next: int
    previous: int
    count: int
    current: int
    total_pages: int
    start_index: int
    end_index: int


@strawberry.type
class Flow:
    """A flow with plain fields only, which are Strawberry's fastest."""

    pk: str
    policybindingmodel_ptr_id: str
    name: str
    slug: str
    title: str
    designation: FlowDesignation
    background: str
    stages: list[str]
    policies: list[str]
    cache_count: int
    policy_engine_mode: PolicyEngineMode | None
    compatibility_mode: bool
    export_url: str
    layout: FlowLayout
    denied_action: FlowDeniedAction
    authentication: FlowAuthentication


@strawberry.type
class FlowPage:
    """A page of flows."""

    pagination: Pagination
    results: list[Flow]


class Context(dict[str, Any]):
    """The context of a request."""

    @property
    def sessions(self) -> Sessions:
        """The factory of database sessions."""
        return self["sessions"]


Info = strawberry.Info[Context, None]


@strawberry.type
class Query:
    """The root query type."""

    @strawberry.field
    async def flows(  # noqa: PLR0913, PLR0917 - the arguments are the API
        self,
        info: Info,
        designation: FlowDesignation | None = None,
        search: str | None = None,
        ordering: list[FlowOrdering] | None = None,
        page: int = 1,
        page_size: int = 20,
    ) -> FlowPage:
        """A page of flows."""
        where = _conditions(designation, search)
        selected = _selected_fields(info, "results")
        async with info.context.sessions() as session:
            count = (
                await session.exec(select(func.count()).select_from(FlowRow).where(*where))
            ).one()
            pagination = _paginate(count, page, page_size)
            statement = (
                select(FlowRow)
                .where(*where)
                .options(*_load_options(selected))
                .order_by(*_order_by(ordering or []))
                .limit(page_size)
                .offset((page - 1) * page_size)
            )
            rows = (await session.exec(statement)).all()
            return FlowPage(pagination=pagination, results=await _flows(session, rows, selected))

    @strawberry.field
    async def flow(self, info: Info, slug: str) -> Flow | None:
        """The flow with this slug."""
        selected = _selected_fields(info)
        async with info.context.sessions() as session:
            statement = (
                select(FlowRow).where(col(FlowRow.slug) == slug).options(*_load_options(selected))
            )
            rows = (await session.exec(statement)).all()
            flows = await _flows(session, rows, selected)
            return flows[0] if flows else None


def _selected_fields(info: Info, *path: str) -> frozenset[str]:
    """Return the names of the fields that are selected below the path."""
    fields = [field for field in info.selected_fields if isinstance(field, SelectedField)]
    names = ("", *path)
    for name in names:
        fields = [
            below
            for field in fields
            if not name or field.name == name
            for below in field.selections
            if isinstance(below, SelectedField)
        ]
    return frozenset(field.name for field in fields)


def _load_options(selected: frozenset[str]) -> list[ExecutableOption]:
    options: list[ExecutableOption] = []
    if "policyEngineMode" in selected:
        options.append(joinedload(_attribute(FlowRow.target), innerjoin=True))
    if "stages" in selected:
        stages = load_only(_attribute(StageBindingRow.stage_id))
        options.append(selectinload(_attribute(FlowRow.stage_bindings)).options(stages))
    if "policies" in selected:
        policies = load_only(_attribute(PolicyBindingRow.policy_id))
        options.append(selectinload(_attribute(FlowRow.policy_bindings)).options(policies))
    return options


def _attribute(attribute: Any) -> Any:
    """Return a class attribute that SQLModel declares with the type of its values."""
    return attribute


def _conditions(
    designation: FlowDesignation | None, search: str | None
) -> list[ColumnElement[bool]]:
    conditions = [_matches(term) for term in (search or "").split()]
    if designation:
        conditions.append(col(FlowRow.designation) == designation.value)
    return conditions


def _matches(term: str) -> ColumnElement[bool]:
    searched = (
        FlowRow.name,
        FlowRow.slug,
        FlowRow.designation,
        FlowRow.title,
        FlowRow.denied_action,
    )
    return or_(*(col(field).icontains(term, autoescape=True) for field in searched))


def _order_by(ordering: Sequence[FlowOrdering]) -> list[ColumnElement[Any]]:
    terms = [term.value for term in ordering]
    if not {"slug", "-slug"} & set(terms):
        terms.append("slug")
    columns = {term: col(getattr(FlowRow, term.removeprefix("-"))) for term in terms}
    return [
        column.desc() if term.startswith("-") else column.asc() for term, column in columns.items()
    ]


def _paginate(count: int, page: int, page_size: int) -> Pagination:
    total_pages = max(1, -(-count // page_size))
    if not 1 <= page <= total_pages:
        raise ValueError("Invalid page.")
    start = (page - 1) * page_size
    return Pagination(
        next=page + 1 if page < total_pages else 0,
        previous=page - 1,
        count=count,
        current=page,
        total_pages=total_pages,
        start_index=start + 1 if count else 0,
        end_index=min(start + page_size, count),
    )


async def _flows(
    session: AsyncSession, rows: Sequence[FlowRow], selected: frozenset[str]
) -> list[Flow]:
    plans: Mapping[str, int] = {}
    if "cacheCount" in selected:
        plans = await _plan_counts(session, [row.flow_uuid for row in rows])
    return [_flow(row, selected, plans.get(row.flow_uuid, 0)) for row in rows]


async def _plan_counts(session: AsyncSession, pks: Sequence[str]) -> Mapping[str, int]:
    """SELECT the number of cached plans of each flow in one statement that uses the index."""
    start = literal(PLANNER) + cast(col(FlowRow.flow_uuid), Text)
    key = col(CacheEntry.cache_key)
    plans = select(func.count()).where(key >= start, key < start + LAST_CHARACTER)
    statement = select(col(FlowRow.flow_uuid), plans.scalar_subquery())
    counts = await session.exec(statement.where(col(FlowRow.flow_uuid).in_(pks)))
    return dict(counts.all())


def _flow(row: FlowRow, selected: frozenset[str], cache_count: int) -> Flow:
    stages = row.stage_bindings if "stages" in selected else []
    policies = row.policy_bindings if "policies" in selected else []
    mode = (
        PolicyEngineMode(row.target.policy_engine_mode) if "policyEngineMode" in selected else None
    )
    return Flow(
        pk=row.flow_uuid,
        policybindingmodel_ptr_id=row.policybindingmodel_ptr_id,
        name=row.name,
        slug=row.slug,
        title=row.title,
        designation=FlowDesignation(row.designation),
        background=_background_url(row.background),
        stages=[binding.stage_id for binding in stages],
        policies=[binding.policy_id for binding in policies],
        cache_count=cache_count,
        policy_engine_mode=mode,
        compatibility_mode=row.compatibility_mode,
        export_url=f"/api/v3/flows/instances/{row.slug}/export/",
        layout=FlowLayout(row.layout),
        denied_action=FlowDeniedAction(row.denied_action),
        authentication=FlowAuthentication(row.authentication),
    )


def _background_url(background: str) -> str:
    if not background:
        return "/static/dist/assets/images/flow_background.jpg"
    if background.startswith(("http", "/static")):
        return background
    return f"/media/public/{background}"


class App(GraphQL[Context, None]):
    """Strawberry's ASGI view, which passes the factory of sessions to resolvers."""

    def __init__(self, schema: strawberry.Schema, sessions: Sessions) -> None:
        super().__init__(schema, graphql_ide=None)
        self._context = Context(sessions=sessions)

    async def get_context(
        self,
        request: Request | WebSocket,  # noqa: ARG002 - Strawberry passes it
        response: Response | WebSocket,  # noqa: ARG002 - Strawberry passes it
    ) -> Context:
        """Return the shared context."""
        return self._context

    def encode_json(self, data: object) -> bytes:
        """Serialize the response by orjson, the fastest serializer."""
        return orjson.dumps(data)


def create_app(sessions: Sessions) -> App:
    """Return the application on a database."""
    schema = strawberry.Schema(query=Query, extensions=[ParserCache, ValidationCache])
    return App(schema, sessions)


if __name__ == "__main__":
    serve(create_app(open_sessions(sys.argv[2])), int(sys.argv[1]))
