"""The diagrams of flows, with what is bound to them as the viewer sees it."""

from collections.abc import Sequence
from itertools import starmap

from gql.diagram.flow import Diagram, Head, drawn
from gql.resolvers import bindings
from gql.resolvers import flows as resolvers
from models.database.database import Database
from models.queries.flows import FlowQuery
from models.queries.viewer import Viewer


async def find(database: Database, viewer: Viewer, query: FlowQuery) -> Diagram | None:
    """The diagram of the flow that the query admits; None if the viewer may see none such."""
    found = await resolvers.find_flow(database, viewer, query, Head._fields)
    flows = list(starmap(Head, found.tuples(Head._fields)))
    for diagram in await of_flows(database, viewer, flows):
        return diagram
    return None


async def of_flows(database: Database, viewer: Viewer, flows: Sequence[Head]) -> Sequence[Diagram]:
    """The diagrams of flows that the viewer may see; two statements, however many there are."""
    targets = {flow.pk: flow.policybindingmodel_ptr_id for flow in flows}
    bound = await bindings.bound_to(database, viewer, targets)
    return [drawn(flow, bound.stages.get(flow.pk, ()), bound.policies) for flow in flows]
