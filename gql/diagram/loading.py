"""Loading of diagrams: flows and their bindings, as visible to the viewer."""

from collections.abc import Sequence
from itertools import starmap

from gql import background
from gql.diagram.flow import Diagram, FlowSummary, build_diagram
from gql.resolvers import bindings
from gql.resolvers import flows as resolvers
from models.database import Session
from models.queries.flows import FlowQuery
from models.queries.viewer import Viewer

# The diagrams of more bindings are built in the background.
MAX_INLINE_BINDINGS = 200


async def find_diagram(session: Session, viewer: Viewer, query: FlowQuery) -> Diagram | None:
    """Return the diagram of the flow that matches the query.

    Returns None if no flow matches, or if the viewer may not see it.
    """
    batch = await resolvers.find_flow(session, viewer, query, FlowSummary._fields)
    flows = list(starmap(FlowSummary, batch.tuples(FlowSummary._fields)))
    for diagram in await build_diagrams(session, viewer, flows):
        return diagram
    return None


async def build_diagrams(
    session: Session, viewer: Viewer, flows: Sequence[FlowSummary]
) -> Sequence[Diagram]:
    """Return the diagrams of flows that the viewer may see, in the order of the flows.

    Takes at most two statements, regardless of the number of flows.
    """
    targets = {flow.pk: flow.policybindingmodel_ptr_id for flow in flows}
    bound = await bindings.load_bindings(session, viewer, targets)
    count = sum(map(len, bound.stages.values())) + sum(map(len, bound.policies.values()))
    may_hide_bindings = viewer.rights.may_hide_bindings
    return await background.call(
        lambda: [
            build_diagram(
                flow,
                bound.stages.get(flow.pk, ()),
                bound.policies,
                may_hide_bindings=may_hide_bindings,
            )
            for flow in flows
        ],
        is_long=count > MAX_INLINE_BINDINGS,
    )
