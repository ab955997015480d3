"""The expected responses of the GraphQL endpoint, by graphql-core and Strawberry's public execute."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Self

import orjson
from anyio.from_thread import BlockingPortal, start_blocking_portal
from graphql import GraphQLError, GraphQLSchema, parse
from starlette.datastructures import Headers
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult

from gql import schema
from gql.auth import Authenticator
from gql.context import Context
from gql.database_handle import DatabaseHandle
from gql.drift.calculator import build_calculator
from gql.execution.documents import Documents, InvalidDocument, UnknownOperationError
from gql.execution.graphql_core import core_schema
from models.database import Database, open_database
from models.diff.sources import SideOptions
from models.queries.viewer import Viewer
from support.app_client import bearer_headers

BAD_INPUT = {"code": "BAD_USER_INPUT"}
FORBIDDEN = "You do not have permission to perform this action."
SEVERAL_OPERATIONS = "Must provide operationName: the document has several operations."


class SeveralOperationsError(Exception):
    """The document has several operations and the request does not name one."""


@dataclass(frozen=True, slots=True)
class Expected:
    """An expected response."""

    status: int
    body: bytes


class Oracle:
    """A separate schema and database, from which the expected responses come.

    The database is open from `with` to its end. `baseline` is that of the drift.
    """

    def __init__(self, database_url: str, baseline: str | None = None) -> None:
        self._url = database_url
        self._drift = build_calculator(baseline, SideOptions()) if baseline else None
        self._schema = schema.build_schema()
        self._documents = Documents(self.schema)
        self._viewers: dict[str, Viewer] = {}
        self._stack = ExitStack()
        self._portal: BlockingPortal
        self._database: Database

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._database = self._portal.call(open_database, self._url)
        if self._drift:
            handle = DatabaseHandle(self._database)
            opened = self._drift.open(handle, self._url, "public", 300)
            self._stack.enter_context(self._portal.wrap_async_context_manager(opened))
        return self

    def __exit__(self, *_error: object) -> None:
        self._portal.call(self._database.close)
        self._stack.close()

    @property
    def schema(self) -> GraphQLSchema:
        """The graphql-core schema."""
        return core_schema(self._schema)

    def expect(self, body: bytes, key: str) -> Expected:
        """Return the expected response to a POST of this body with a valid token."""
        return self._portal.call(self._expect, body, key)

    async def _expect(self, body: bytes, key: str) -> Expected:
        viewer = await self._viewer(key)
        if viewer.is_forbidden:
            return _error(403, message=FORBIDDEN, extensions={"code": "FORBIDDEN"})
        try:
            parameters = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _error(400, message="The request body is not valid JSON.", extensions=BAD_INPUT)
        if not parameters["query"]:
            missing = "Must provide a 'query' string."
            return _error(400, message=missing, extensions=BAD_INPUT)
        return await self._execute(parameters, viewer)

    async def _execute(self, parameters: Mapping[str, Any], viewer: Viewer) -> Expected:
        name = parameters["operationName"] or None
        error = self._limit_error(parameters["query"], parameters["variables"], name)
        if error:
            return _error(200, **error.formatted)
        try:
            _check_choice(parameters["query"], name)
            async with self._database.open_session(is_snapshot=True) as session:
                result = await self._schema.execute(
                    parameters["query"],
                    variable_values=parameters["variables"],
                    context_value=Context(session, viewer, drift=self._drift),
                    operation_name=name,
                )
        except SeveralOperationsError:
            return _error(200, message=SEVERAL_OPERATIONS, extensions=BAD_INPUT)
        except (CannotGetOperationTypeError, InvalidOperationTypeError):
            missing = f"Unknown operation {name!r}." if name else "The document has no operation."
            return _error(200, message=missing, extensions=BAD_INPUT)
        return Expected(200, orjson.dumps(_response_map(result)))

    def _limit_error(
        self, query: str, variables: Mapping[str, Any], name: str | None
    ) -> GraphQLError | None:
        """Return the error for an exceeded limit of FlowQL; graphql-core has none of them."""
        document = self._documents.get(query)
        if isinstance(document, InvalidDocument):
            exceeds_limit = not document.is_within_limits and document.errors[0].extensions
            return document.errors[0] if exceeds_limit else None
        with suppress(UnknownOperationError):
            operation = document.find_operation(name)
            values = operation.variables.coerce(variables)
            size_error = (
                None if isinstance(values, list) else operation.limits.check_sizes(values.coerced)
            )
            return operation.limits.check_input(variables) or size_error
        return None

    async def _viewer(self, key: str) -> Viewer:
        if key not in self._viewers:
            headers = Headers(bearer_headers(key))
            authenticator = Authenticator(DatabaseHandle(self._database), ttl=0)
            self._viewers[key] = (await authenticator.authenticate(headers)).viewer
        return self._viewers[key]


def _check_choice(query: str, name: str | None) -> None:
    """Raise an error for several operations without a name; Strawberry would execute the first."""
    with suppress(GraphQLError):
        kinds = [definition.kind for definition in parse(query).definitions]
        if name is None and kinds.count("operation_definition") > 1:
            raise SeveralOperationsError


def _response_map(result: ExecutionResult) -> Mapping[str, Any]:
    if not result.errors:
        return {"data": result.data}
    errors = [_with_code(error.formatted) for error in sorted(result.errors, key=_path)]
    # An error before the execution has no path.
    is_executed = result.data is not None or any(error.path for error in result.errors)
    return {"data": result.data, "errors": errors} if is_executed else {"errors": errors}


def _with_code(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the code that graphql-core's errors lack."""
    return {**error, "extensions": {**BAD_INPUT, **error.get("extensions", {})}}


def _path(error: GraphQLError) -> list[Any]:
    return list(error.path or [])


def _error(status: int, **error: object) -> Expected:
    return Expected(status, orjson.dumps({"errors": [error]}))
