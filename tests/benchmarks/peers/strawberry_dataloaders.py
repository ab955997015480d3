"""Strawberry as its documentation shows it: a resolver for each relation, and DataLoaders.

python strawberry_dataloaders.py <port> <SQLAlchemy URL>

It is asked only for flows with what they are made of. Both caches Strawberry has are on, orjson writes
the answers, and what is there from the start is frozen, which saves a fifth of the time; tables are
FlowQL's own SQLModel classes.
"""

import gc
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Self, TypeVar

import orjson
import strawberry
from sessions import Sessions, open_sessions
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from under_uvicorn import serve

from models.tables.flow import Flow as FlowRow
from models.tables.flow import FlowDesignation, InvalidResponseAction
from models.tables.flow import FlowStageBinding as StageBindingRow
from models.tables.policy import Policy as PolicyRow
from models.tables.policy import PolicyBinding as PolicyBindingRow
from models.tables.stage import Stage as StageRow

R = TypeVar("R")

for enum in (FlowDesignation, InvalidResponseAction):
    strawberry.enum(enum)


class Context:
    """What a request reads with: each loader asks once for all that waits for it."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.stage_bindings = DataLoader(self._stage_bindings)
        self.stages = DataLoader(self._stages)
        self.policy_bindings = DataLoader(self._policy_bindings)
        self.policies = DataLoader(self._policies)

    async def read(self, statement: SelectOfScalar[R]) -> Sequence[R]:
        """All rows of a statement, read in a session of its own."""
        async with self._sessions() as session:
            return (await session.exec(statement)).all()

    async def _stage_bindings(self, flows: list[str]) -> list[list[StageBindingRow]]:
        statement = (
            select(StageBindingRow)
            .where(col(StageBindingRow.target_id).in_(flows))
            .order_by(col(StageBindingRow.order), col(StageBindingRow.fsb_uuid))
        )
        found: Mapping[str, list[StageBindingRow]] = defaultdict(list)
        for row in await self.read(statement):
            found[row.target_id].append(row)
        return [found[flow] for flow in flows]

    async def _stages(self, pks: list[str]) -> list[StageRow]:
        statement = select(StageRow).where(col(StageRow.stage_uuid).in_(pks))
        found = {row.stage_uuid: row for row in await self.read(statement)}
        return [found[pk] for pk in pks]

    async def _policy_bindings(self, targets: list[str]) -> list[list[PolicyBindingRow]]:
        statement = (
            select(PolicyBindingRow)
            .where(col(PolicyBindingRow.target_id).in_(targets))
            .order_by(col(PolicyBindingRow.order), col(PolicyBindingRow.policy_binding_uuid))
        )
        found: Mapping[str, list[PolicyBindingRow]] = defaultdict(list)
        for row in await self.read(statement):
            found[row.target_id].append(row)
        return [found[target] for target in targets]

    async def _policies(self, pks: list[str]) -> list[PolicyRow]:
        statement = select(PolicyRow).where(col(PolicyRow.policy_uuid).in_(pks))
        found = {row.policy_uuid: row for row in await self.read(statement)}
        return [found[pk] for pk in pks]


Info = strawberry.Info[Context, None]


@strawberry.type
class Policy:
    """A rule that lets somebody pass, or not."""

    pk: str
    name: str
    execution_logging: bool

    @classmethod
    def of(cls, row: PolicyRow) -> Self:
        """The policy that is stored so."""
        return cls(pk=row.policy_uuid, name=row.name, execution_logging=row.execution_logging)


@strawberry.type
class PolicyBinding:
    """A policy, a group or a user that decides on a target."""

    pk: str
    order: int
    enabled: bool
    negate: bool
    timeout: int
    failure_result: bool
    policy_pk: strawberry.Private[str | None]

    @classmethod
    def of(cls, row: PolicyBindingRow) -> Self:
        """The binding that is stored so."""
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
        """The policy, where it is one that is bound."""
        if self.policy_pk is None:
            return None
        return Policy.of(await info.context.policies.load(self.policy_pk))


@strawberry.type
class Stage:
    """One step of a flow."""

    pk: str
    name: str

    @classmethod
    def of(cls, row: StageRow) -> Self:
        """The stage that is stored so."""
        return cls(pk=row.stage_uuid, name=row.name)


@strawberry.type
class FlowStageBinding:
    """A stage's place in a flow."""

    pk: str
    order: int
    evaluate_on_plan: bool
    re_evaluate_policies: bool
    invalid_response_action: InvalidResponseAction
    target: strawberry.Private[str]
    stage_pk: strawberry.Private[str]

    @classmethod
    def of(cls, row: StageBindingRow) -> Self:
        """The binding that is stored so."""
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
        """The stage that stands there."""
        return Stage.of(await info.context.stages.load(self.stage_pk))

    @strawberry.field
    async def policy_bindings(self, info: Info) -> list[PolicyBinding]:
        """What decides on whether the stage is run."""
        return [
            PolicyBinding.of(row) for row in await info.context.policy_bindings.load(self.target)
        ]


@strawberry.type
class Flow:
    """A row of stages that a person walks through."""

    pk: str
    name: str
    slug: str
    designation: FlowDesignation
    target: strawberry.Private[str]

    @classmethod
    def of(cls, row: FlowRow) -> Self:
        """The flow that is stored so."""
        return cls(
            pk=row.flow_uuid,
            name=row.name,
            slug=row.slug,
            designation=FlowDesignation(row.designation),
            target=row.policybindingmodel_ptr_id,
        )

    @strawberry.field
    async def stage_bindings(self, info: Info) -> list[FlowStageBinding]:
        """The stages in the order they run."""
        return [FlowStageBinding.of(row) for row in await info.context.stage_bindings.load(self.pk)]

    @strawberry.field
    async def policy_bindings(self, info: Info) -> list[PolicyBinding]:
        """What decides on who may run the flow."""
        return [
            PolicyBinding.of(row) for row in await info.context.policy_bindings.load(self.target)
        ]


@strawberry.type
class FlowPage:
    """A page of flows."""

    results: list[Flow]


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    async def flows(self, info: Info, page: int = 1, page_size: int = 20) -> FlowPage:
        """A page of flows, sorted by slug."""
        statement = (
            select(FlowRow)
            .order_by(col(FlowRow.slug))
            .limit(page_size)
            .offset((page - 1) * page_size)
        )
        return FlowPage(results=[Flow.of(row) for row in await info.context.read(statement)])


class App(GraphQL[Context, None]):
    """Strawberry's own ASGI view, which gives each request loaders of its own."""

    def __init__(self, schema: strawberry.Schema, sessions: Sessions) -> None:
        super().__init__(schema, graphql_ide=None)
        self._sessions = sessions

    async def get_context(
        self,
        request: Request | WebSocket,  # noqa: ARG002 - Strawberry passes it
        response: Response | WebSocket,  # noqa: ARG002 - likewise
    ) -> Context:
        """Loaders that have read nothing yet."""
        return Context(self._sessions)

    def encode_json(self, data: object) -> bytes:
        """The answer, by the fastest there is."""
        return orjson.dumps(data)


def create_app(sessions: Sessions) -> App:
    """The application over a database."""
    schema = strawberry.Schema(query=Query, extensions=[ParserCache, ValidationCache])
    return App(schema, sessions)


if __name__ == "__main__":
    application = create_app(open_sessions(sys.argv[2]))
    # As FlowQL does: no collection need ever look at what stays.
    gc.collect()
    gc.freeze()
    serve(application, int(sys.argv[1]))
