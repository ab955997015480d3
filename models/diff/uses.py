"""The flows that use the objects of a side."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from models.blueprint.authentik.kinds import (
    FLOW,
    KINDS,
    POLICY,
    POLICY_BINDING,
    STAGE,
    STAGE_BINDING,
)
from models.diff.changes import Place
from models.diff.objects import ComparedObject, Objects, list_rows
from models.diff.references import find_references

NO_FLOWS: frozenset[ComparedObject] = frozenset()
Flows = dict[ComparedObject, set[ComparedObject]]


class Uses:
    """The flows to which objects belong, or that use them: directly or through settings."""

    def __init__(self, side: Objects) -> None:
        self._side = side

    def list_flows(self, item: ComparedObject) -> frozenset[ComparedObject]:
        """Return the flows that an object belongs to or is used by."""
        if item.kind is FLOW:
            return frozenset((item,))
        if item.kind in (STAGE_BINDING, POLICY_BINDING):
            flow = self._side.find_flow(item)
            return frozenset((flow,)) if flow else NO_FLOWS
        return frozenset(self._flows.get(item, ()))

    def list_slugs(self, item: ComparedObject) -> frozenset[str]:
        """Return the slugs of these flows."""
        return frozenset(flow.name for flow in self.list_flows(item))

    def find_place(self, item: ComparedObject) -> Place:
        """Return the place of an object."""
        flows = frozenset(str(flow.row.pk) for flow in self.list_flows(item))
        return Place(str(item.row.pk), flows, item.row.model)

    @cached_property
    def _flows(self) -> Flows:
        """The flows of each stage, policy and prompt."""
        flows: Flows = defaultdict(set)
        for row in list_rows(self._side.rows, (STAGE_BINDING, POLICY_BINDING)):
            binding = self._side.find_object(row)
            flow, bound = self._side.find_flow(binding), self._side.find_bound(row)
            if flow and bound:
                flows[bound].add(flow)
        self._spread(flows)
        return flows

    def _spread(self, flows: Flows) -> None:
        """Add the flows of each stage and policy to the objects that its settings refer to."""
        referred = dict(self._list_referred())
        pending = [item for item in referred if flows.get(item)]
        while pending:
            item = pending.pop()
            for other in referred.get(item, ()):
                if not flows[other] >= flows[item]:
                    flows[other] |= flows[item]
                    pending.append(other)

    def _list_referred(self) -> Iterator[tuple[ComparedObject, list[ComparedObject]]]:
        for row in list_rows(self._side.rows, (STAGE, POLICY)):
            item = self._side.find_object(row)
            values = self._side.list_values(item)
            names = row.settings or ()
            references = (
                reference for name in names for reference in find_references(values.get(name))
            )
            targets = (
                self._side.find_by_pk(KINDS[reference.kind], reference.pk)
                for reference in references
                if reference.kind and reference.kind != FLOW.name
            )
            found = [target for target in targets if target]
            if found:
                yield item, found
