"""The selected flow on the front page: what the query `flow.graphql` returns, and the diagram."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode

import orjson
from graphql import ExecutionResult, GraphQLError
from markupsafe import Markup

from gql.context import Context
from gql.diagram import loading, mermaid, svg
from gql.diagram.flow import Diagram
from gql.diagram.marks import mark_diagram
from gql.endpoint.format_error import format_errors
from gql.errors import LimitExceededError
from gql.execution.executor import Execution, Executor
from gql.execution.request import GraphQLRequest
from gql.explorer.drift_view import DriftView, FlowDrift, build_marks
from gql.limits import ResponseSize
from models.queries.flows import FlowQuery
from models.tables.flow import SLUG

QUERY = Path(__file__).with_name("flow.graphql").read_text()
# Rendering this number of objects takes some milliseconds.
MAX_INLINE_OBJECTS = 500
NOT_FOUND = "Flow {!r} not found. It does not exist, or you do not have permission to view it."


class FlowDetails(NamedTuple):
    """The selected flow, or the error that says why there is none.

    `flow` is the object of the query's response, with this number of objects in its lists; `notes`
    say why parts of it are null. `drift` is None without a baseline.
    """

    slug: str
    flow: Mapping[str, Any] | None = None
    notes: Sequence[str] = ()
    diagram: Diagram | None = None
    objects: int = 0
    error: str | None = None
    status: int = 200
    drift: FlowDrift | None = None

    @property
    def is_large(self) -> bool:
        """True if rendering the flow would delay other requests."""
        is_large = self.diagram is not None and self.diagram.is_large
        return is_large or self.objects > MAX_INLINE_OBJECTS

    @property
    def svg(self) -> Markup:
        """The diagram as an SVG element."""
        return Markup(svg.render(self.diagram) if self.diagram else "")  # noqa: S704 - it is escaped

    @property
    def mermaid(self) -> str:
        """The diagram as Mermaid source."""
        return mermaid.render(self.diagram) if self.diagram else ""

    @property
    def operation(self) -> str:
        """The query string that opens the query in GraphiQL."""
        return urlencode({"query": QUERY, "variables": _dump_variables(self.slug)})

    def list_other_uses(self, stage: Mapping[str, Any]) -> Sequence[str] | None:
        """Return the slugs of other flows that use a stage; None if they are forbidden."""
        flows = stage["flows"]
        return None if flows is None else [use["slug"] for use in flows if use["slug"] != self.slug]


@dataclass(frozen=True, slots=True)
class FlowReader:
    """Reads flows with the query.

    The executor has the default limits: the query does not depend on those for clients.
    """

    executor: Executor

    async def read(
        self, context: Context, slug: str, drift: DriftView | None = None
    ) -> FlowDetails:
        """Read the flow with this slug, or return the error that there is none or it is too large."""
        diagram = await _find_diagram(context, slug)
        if diagram is None:
            return FlowDetails(slug, error=NOT_FOUND.format(slug), status=404)
        if drift is None:
            return await self._read_details(context, slug, diagram)
        marks = build_marks(diagram, slug, drift.list_changes(slug))
        details = await self._read_details(context, slug, mark_diagram(diagram, marks))
        return details._replace(drift=drift.select(slug))

    async def _read_details(self, context: Context, slug: str, diagram: Diagram) -> FlowDetails:
        size = ResponseSize(context.size.limit)
        try:
            result = await self._execute(replace(context, size=size), slug)
            size.check()
        except LimitExceededError as error:
            return FlowDetails(slug, diagram=diagram, error=str(error), status=400)
        flow, notes = (result.data or {}).get("flow"), _list_notes(result.errors or ())
        return FlowDetails(slug, flow, notes, diagram, size.objects)

    async def _execute(self, context: Context, slug: str) -> ExecutionResult:
        request = GraphQLRequest(QUERY, variables={"slug": slug})
        return await cast(Execution, self.executor.prepare(request)).execute(context)


async def _find_diagram(context: Context, slug: str) -> Diagram | None:
    query = FlowQuery(slug=slug)
    is_valid = SLUG.fullmatch(slug)
    return await loading.find_diagram(context.session, context.viewer, query) if is_valid else None


def _list_notes(errors: Sequence[GraphQLError]) -> Sequence[str]:
    """Return the different messages of errors, of which each row may have the same."""
    return list(dict.fromkeys(error["message"] for error in format_errors(errors)))


def _dump_variables(slug: str) -> str:
    return orjson.dumps({"slug": slug}, option=orjson.OPT_INDENT_2).decode()
