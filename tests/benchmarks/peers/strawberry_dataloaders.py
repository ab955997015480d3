"""Strawberry as documented, with a resolver and a DataLoader for each relation.

python strawberry_dataloaders.py <port> <SQLAlchemy URL> [<tables of settings and their columns as JSON>]

It serves only nested flows, with the settings of stages if it gets their tables. Both of Strawberry's caches are enabled, orjson serializes the responses, and
the garbage collector ignores all objects from the start, which saves a fifth of the time. The tables are
FlowQL's SQLModel classes.
"""

import gc
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeVar

import orjson
import strawberry
from sessions import Sessions, open_sessions
from sqlalchemy import Text, cast, column, table
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.scalars import JSON
from under_uvicorn import serve

from models.tables.flow import Flow as FlowRow
from models.tables.flow import FlowDesignation, InvalidResponseAction
from models.tables.flow import FlowStageBinding as StageBindingRow
from models.tables.policy import Policy as PolicyRow
from models.tables.policy import PolicyBinding as PolicyBindingRow
from models.tables.stage import Stage as StageRow

R = TypeVar("R")
# The columns of the tables of settings.
Tables = Mapping[str, Sequence[str]]
NO_TABLES: Tables = {}

for enum in (FlowDesignation, InvalidResponseAction):
    strawberry.enum(enum)


class Context:
    """The DataLoaders of a request, each of which reads all pending keys in one statement."""

    def __init__(self, sessions: Sessions, tables: Tables) -> None:
        self._sessions = sessions
        self._tables = tables
        self.settings = DataLoader(self._settings)
        self.stage_bindings = DataLoader(self._stage_bindings)
        self.stages = DataLoader(self._stages)
        self.policy_bindings = DataLoader(self._policy_bindings)
        self.policies = DataLoader(self._policies)

    async def read(self, statement: SelectOfScalar[R]) -> Sequence[R]:
        """Return all rows of a statement, read in a separate session."""
        async with self._sessions() as session:
            return (await session.exec(statement)).all()

    async def _stage_bindings(self, flows: list[str]) -> list[list[StageBindingRow]]:
        statement = (
            select(StageBindingRow)
            .where(col(StageBindingRow.target_id).in_(flows))
            .order_by(col(StageBindingRow.order), col(StageBindingRow.fsb_uuid))
        )
        rows: Mapping[str, list[StageBindingRow]] = defaultdict(list)
        for row in await self.read(statement):
            rows[row.target_id].append(row)
        return [rows[flow] for flow in flows]

    async def _stages(self, pks: list[str]) -> list[StageRow]:
        statement = select(StageRow).where(col(StageRow.stage_uuid).in_(pks))
        rows = {row.stage_uuid: row for row in await self.read(statement)}
        return [rows[pk] for pk in pks]

    async def _settings(self, pks: list[str]) -> list[dict[str, Any] | None]:
        settings: dict[str, dict[str, Any]] = {}
        for name, columns in self._tables.items():
            names: list[Any] = list(map(column, columns))
            source = table(name, column("stage_ptr_id", Text), *names)
            key = cast(source.c.stage_ptr_id, Text)
            values = (source.c[item] for item in columns)
            statement: Any = select_columns(key, *values).where(key.in_(pks))
            session: Any
            async with self._sessions() as session:
                result: Any = await session.exec(statement)
                settings |= {row[0]: _build_settings(columns, row[1:]) for row in result.all()}
        return [settings.get(pk) for pk in pks]

    async def _policy_bindings(self, targets: list[str]) -> list[list[PolicyBindingRow]]:
        statement = (
            select(PolicyBindingRow)
            .where(col(PolicyBindingRow.target_id).in_(targets))
            .order_by(col(PolicyBindingRow.order), col(PolicyBindingRow.policy_binding_uuid))
        )
        rows: Mapping[str, list[PolicyBindingRow]] = defaultdict(list)
        for row in await self.read(statement):
            rows[row.target_id].append(row)
        return [rows[target] for target in targets]

    async def _policies(self, pks: list[str]) -> list[PolicyRow]:
        statement = select(PolicyRow).where(col(PolicyRow.policy_uuid).in_(pks))
        rows = {row.policy_uuid: row for row in await self.read(statement)}
        return [rows[pk] for pk in pks]


def _build_settings(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """Return settings as authentik's API: references are strings without the suffix of columns."""
    return {
        name.removesuffix("_id"): value and str(value) if name.endswith("_id") else value
        for name, value in zip(columns, row, strict=True)
    }


Info = strawberry.Info[Context, None]


@strawberry.type
class Policy:
    """A rule that allows or denies access."""

    pk: str
    name: str
    execution_logging: bool

    @classmethod
    def from_row(cls, row: PolicyRow) -> Self:
        """Return the policy of a row."""
        return cls(pk=row.policy_uuid, name=row.name, execution_logging=row.execution_logging)


@strawberry.type
class PolicyBinding:
    """A policy, group or user that is bound to a target."""

    pk: str
    order: int
    enabled: bool
    negate: bool
    timeout: int
    failure_result: bool
    policy_pk: strawberry.Private[str | None]

    @classmethod
    def from_row(cls, row: PolicyBindingRow) -> Self:
        """Return the binding of a row."""
        return cls(
            pk=row.policy_binding_uuid,
            order=row.order,
            enabled=row.enabled,
            negate=row.negate,
            timeout=row.timeout,
            failure_result=row.failure_result,
            policy_pk=row.policy_id,
        )

    @strawberry.field
    async def policy(self, info: Info) -> Policy | None:
        """The policy, or null if a group or a user is bound."""
        if self.policy_pk is None:
            return None
        return Policy.from_row(await info.context.policies.load(self.policy_pk))


@strawberry.type
class Stage:
    """One step of a flow."""

    pk: str
    name: str

    @classmethod
    def from_row(cls, row: StageRow) -> Self:
        """Return the stage of a row."""
        return cls(pk=row.stage_uuid, name=row.name)

    @strawberry.field
    async def settings(self, info: Info) -> JSON | None:
        """The settings."""
        return JSON(await info.context.settings.load(self.pk))


@strawberry.type
class FlowStageBinding:
    """The binding of a stage to a flow."""

    pk: str
    order: int
    evaluate_on_plan: bool
    re_evaluate_policies: bool
    invalid_response_action: InvalidResponseAction
    target: strawberry.Private[str]
    stage_pk: strawberry.Private[str]

    @classmethod
    def from_row(cls, row: StageBindingRow) -> Self:
        """Return the binding of a row."""
        return cls(
            pk=row.fsb_uuid,
            order=row.order,
            evaluate_on_plan=row.evaluate_on_plan,
            re_evaluate_policies=row.re_evaluate_policies,
            invalid_response_action=InvalidResponseAction(row.invalid_response_action),
            target=row.policybindingmodel_ptr_id,
            stage_pk=row.stage_id,
        )

    @strawberry.field
    async def stage(self, info: Info) -> Stage:
        """The bound stage."""
        return Stage.from_row(await info.context.stages.load(self.stage_pk))

    @strawberry.field
    async def policy_bindings(self, info: Info) -> list[PolicyBinding]:
        """The policy bindings of the stage binding."""
        return [
            PolicyBinding.from_row(row)
            for row in await info.context.policy_bindings.load(self.target)
        ]


@strawberry.type
class Flow:
    """A sequence of stages that a user goes through."""

    pk: str
    name: str
    slug: str
    designation: FlowDesignation
    target: strawberry.Private[str]

    @classmethod
    def from_row(cls, row: FlowRow) -> Self:
        """Return the flow of a row."""
        return cls(
            pk=row.flow_uuid,
            name=row.name,
            slug=row.slug,
            designation=FlowDesignation(row.designation),
            target=row.policybindingmodel_ptr_id,
        )

    @strawberry.field
    async def stage_bindings(self, info: Info) -> list[FlowStageBinding]:
        """The stage bindings in execution order."""
        return [
            FlowStageBinding.from_row(row)
            for row in await info.context.stage_bindings.load(self.pk)
        ]

    @strawberry.field
    async def policy_bindings(self, info: Info) -> list[PolicyBinding]:
        """The policy bindings of the flow."""
        return [
            PolicyBinding.from_row(row)
            for row in await info.context.policy_bindings.load(self.target)
        ]


@strawberry.type
class FlowPage:
    """A page of flows."""

    results: list[Flow]


@strawberry.type
class Query:
    """The root query type."""

    @strawberry.field
    async def flows(self, info: Info, page: int = 1, page_size: int = 20) -> FlowPage:
        """A page of flows, sorted by slug."""
        statement = (
            select(FlowRow)
            .order_by(col(FlowRow.slug))
            .limit(page_size)
            .offset((page - 1) * page_size)
        )
        return FlowPage(results=[Flow.from_row(row) for row in await info.context.read(statement)])


class App(GraphQL[Context, None]):
    """Strawberry's ASGI view, which creates DataLoaders for each request."""

    def __init__(self, schema: strawberry.Schema, sessions: Sessions, tables: Tables) -> None:
        super().__init__(schema, graphql_ide=None)
        self._sessions = sessions
        self._tables = tables

    async def get_context(
        self,
        request: Request | WebSocket,  # noqa: ARG002 - Strawberry passes it
        response: Response | WebSocket,  # noqa: ARG002 - Strawberry passes it
    ) -> Context:
        """Return new DataLoaders."""
        return Context(self._sessions, self._tables)

    def encode_json(self, data: object) -> bytes:
        """Serialize the response by orjson, the fastest serializer."""
        return orjson.dumps(data)


def create_app(sessions: Sessions, tables: Tables = NO_TABLES) -> App:
    """Return the application on a database."""
    schema = strawberry.Schema(query=Query, extensions=[ParserCache, ValidationCache])
    return App(schema, sessions, tables)


if __name__ == "__main__":
    arguments = map(json.loads, sys.argv[3:])
    application = create_app(open_sessions(sys.argv[2]), *arguments)
    # FlowQL does the same: objects from the start never become garbage.
    gc.collect()
    gc.freeze()
    serve(application, int(sys.argv[1]))
