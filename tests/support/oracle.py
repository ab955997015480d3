"""graphql-core as the judge: what it answers to a request, through Strawberry's public execute."""

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
from gql.execution.documents import Documents, InvalidDocument, UnknownOperationError
from models.database import Database, open_database
from models.queries.viewer import Viewer
from support.app_client import bearer

BAD_INPUT = {"code": "BAD_USER_INPUT"}
FORBIDDEN = "You do not have permission to perform this action."
SEVERAL_OPERATIONS = "Must provide operationName: the document has several operations."


class SeveralOperationsError(Exception):
    """The document has several operations and the request does not name one."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be answered."""

    status: int
    body: bytes


class Oracle:
    """A database of its own, opened from `with` to its end, and a schema of its own."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._schema = schema.build_schema()
        self._documents = Documents(self.schema)
        self._viewers: dict[str, Viewer] = {}
        self._stack = ExitStack()
        self._portal: BlockingPortal
        self._database: Database

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._database = self._portal.call(open_database, self._url)
        return self

    def __exit__(self, *_error: object) -> None:
        self._portal.call(self._database.close)
        self._stack.close()

    @property
    def schema(self) -> GraphQLSchema:
        """The schema as graphql-core has it."""
        return core_schema(self._schema)

    def verdict(self, body: bytes, key: str) -> Expected:
        """What must be answered to a POST of this body by the bearer of a valid key."""
        return self._portal.call(self._verdict, body, key)

    async def _verdict(self, body: bytes, key: str) -> Expected:
        viewer = await self._viewer(key)
        if viewer.is_forbidden:
            return _verdict(403, message=FORBIDDEN, extensions={"code": "FORBIDDEN"})
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _verdict(
                400, message="The request body is not valid JSON.", extensions=BAD_INPUT
            )
        if not asked["query"]:
            missing = "Must provide a 'query' string."
            return _verdict(400, message=missing, extensions=BAD_INPUT)
        return await self._executed(asked, viewer)

    async def _executed(self, asked: Mapping[str, Any], viewer: Viewer) -> Expected:
        name = asked["operationName"] or None
        refused = self._refused(asked["query"], asked["variables"], name)
        if refused:
            return _verdict(200, **refused.formatted)
        try:
            _check_choice(asked["query"], name)
            result = await self._schema.execute(
                asked["query"],
                variable_values=asked["variables"],
                context_value=Context(self._database, viewer),
                operation_name=name,
            )
        except SeveralOperationsError:
            return _verdict(200, message=SEVERAL_OPERATIONS, extensions=BAD_INPUT)
        except (CannotGetOperationTypeError, InvalidOperationTypeError):
            missing = f"Unknown operation {name!r}." if name else "The document has no operation."
            return _verdict(200, message=missing, extensions=BAD_INPUT)
        return Expected(200, orjson.dumps(_told(result)))

    def _refused(
        self, query: str, variables: Mapping[str, Any], name: str | None
    ) -> GraphQLError | None:
        """What FlowQL's own limits refuse, of which graphql-core knows nothing."""
        document = self._documents.get(query)
        if isinstance(document, InvalidDocument):
            is_refused = not document.is_within_limits and document.errors[0].extensions
            return document.errors[0] if is_refused else None
        with suppress(UnknownOperationError):
            operation = document.find_operation(name)
            values = operation.variables.coerce(variables)
            later = (
                None if isinstance(values, list) else operation.limits.check_sizes(values.coerced)
            )
            return operation.limits.check_input(variables) or later
        return None

    async def _viewer(self, key: str) -> Viewer:
        if key not in self._viewers:
            headers = Headers(bearer(key))
            authenticator = Authenticator(DatabaseHandle(self._database), ttl=0)
            self._viewers[key] = await authenticator.authenticate(headers)
        return self._viewers[key]


def core_schema(built: schema.Schema) -> GraphQLSchema:
    """A Strawberry schema as graphql-core has it."""
    return getattr(built, "_schema")  # noqa: B009 - Strawberry has no public name for it


def _check_choice(query: str, name: str | None) -> None:
    """Refuse to choose among several operations, of which Strawberry would take the first."""
    with suppress(GraphQLError):
        kinds = [definition.kind for definition in parse(query).definitions]
        if name is None and kinds.count("operation_definition") > 1:
            raise SeveralOperationsError


def _told(result: ExecutionResult) -> Mapping[str, Any]:
    if not result.errors:
        return {"data": result.data}
    errors = [_coded(error.formatted) for error in sorted(result.errors, key=_path)]
    # What fails before it is executed fails at no path.
    executed = result.data is not None or any(error.path for error in result.errors)
    return {"data": result.data, "errors": errors} if executed else {"errors": errors}


def _coded(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """The error with a code, which graphql-core's own have not."""
    return {**error, "extensions": {**BAD_INPUT, **error.get("extensions", {})}}


def _path(error: GraphQLError) -> list[Any]:
    return list(error.path or [])


def _verdict(status: int, **error: object) -> Expected:
    return Expected(status, orjson.dumps({"errors": [error]}))
