"""The objects that an export contains, in an order in which references follow their objects."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from models.blueprint.exporting.content import POLICY, STAGE, ExportContent, ExportedComponent
from models.blueprint.exporting.options import ExportOptions
from models.blueprint.exporting.values import find_keys
from models.errors import ExportError
from models.queries.flows import FlowRow
from models.queries.prompts import PromptRow


class ComponentCopy(NamedTuple):
    """A policy, a stage, or the copy of a stage for the flow with this primary key.

    `kind` is STAGE or POLICY.
    """

    kind: str
    pk: str
    flow: str | None = None


class Selection:
    """The flows, stages, policies and prompts of an export.

    Includes the stages, policies and prompts that settings refer to. `components` come after those
    that they refer to, unless there is a circle. Raises ExportError if two have the same name.
    """

    def __init__(
        self,
        content: ExportContent,
        flows: Sequence[FlowRow],
        options: ExportOptions | None = None,
    ) -> None:
        self._content = content
        self._options = options or ExportOptions()
        self.flows = sorted(flows, key=lambda flow: flow.slug)
        self._flows_by_pk = {flow.pk: flow for flow in flows}
        self._bound_stages = {
            flow.pk: {row.stage for row in content.list_stage_bindings(flow)} for flow in flows
        }
        self.components = self._order_components()
        self._check_names()

    @property
    def prompts(self) -> Sequence[PromptRow]:
        """The prompts that settings refer to, by name."""
        keys = {key for copy in self.components for key in self._list_keys(copy)}
        prompts = [prompt for pk, prompt in self._content.prompts.items() if pk in keys]
        return sorted(prompts, key=lambda prompt: prompt.name)

    @property
    def new_names(self) -> Sequence[str]:
        """The names of copies of stages."""
        return [self.name_of(copy) for copy in self.components if copy.flow]

    def component_of(self, copy: ComponentCopy) -> ExportedComponent:
        """Return the stage or policy that is exported."""
        return self._content.components[copy.kind][copy.pk]

    def name_of(self, copy: ComponentCopy) -> str:
        """Return the name under which a stage or policy is exported."""
        name = self.component_of(copy).name
        return f"{name} ({self.slug_of(self._flows_by_pk[copy.flow])})" if copy.flow else name

    def slug_of(self, flow: FlowRow) -> str:
        """Return the slug under which a flow is exported."""
        return self._options.renames.get(flow.slug, flow.slug)

    def find_flow(self, pk: str, copy: ComponentCopy) -> FlowRow | None:
        """Return the exported flow to which a setting of a stage or policy refers, if it is one.

        The copy of a flow does not replace the flow in the settings of shared stages.
        """
        flow = self._flows_by_pk.get(pk)
        is_meant = flow and (flow.slug not in self._options.renames or pk == copy.flow)
        return flow if is_meant else None

    def find_component(self, pk: str, flow: str | None) -> ComponentCopy | None:
        """Return the stage or policy that a flow, or a stage copied for it, uses, if it is one."""
        if pk in self._content.components[POLICY]:
            return ComponentCopy(POLICY, pk)
        if pk not in self._content.components[STAGE]:
            return None
        is_copied = flow is not None and pk in self._bound_stages.get(flow, ())
        return ComponentCopy(STAGE, pk, flow if is_copied and self._is_copied(flow) else None)

    def find_references(self, copy: ComponentCopy, value: Any) -> Iterator[ComponentCopy]:
        """Yield the stages and policies to which the value of a setting refers."""
        for key in find_keys(value):
            referenced = self.find_component(key, copy.flow)
            if referenced:
                yield referenced

    def _is_copied(self, flow: str | None) -> bool:
        row = self._flows_by_pk.get(flow or "")
        return bool(self._options.copies_stages and row and row.slug in self._options.renames)

    def _list_keys(self, copy: ComponentCopy) -> Iterator[str]:
        return find_keys(dict(self.component_of(copy).settings))

    def _list_bound(self) -> Iterator[ComponentCopy | None]:
        for flow in self.flows:
            for row in self._content.list_stage_bindings(flow):
                yield self.find_component(row.stage, flow.pk)
            for row in self._content.list_all_policy_bindings(flow):
                yield self.find_component(row.policy or "", flow.pk)

    def _order_components(self) -> Sequence[ComponentCopy]:
        ordered: dict[ComponentCopy, None] = {}
        started: set[ComponentCopy] = set()
        for first in self._sort({copy for copy in self._list_bound() if copy}):
            pending = [first]
            # Not recursive: a chain of references can be long.
            while pending:
                copy = pending[-1]
                referenced = () if copy in started else self._list_referenced(copy)
                started.add(copy)
                pending += [item for item in referenced if item not in started]
                if pending[-1] is copy:
                    ordered[pending.pop()] = None
        return list(ordered)

    def _list_referenced(self, copy: ComponentCopy) -> Sequence[ComponentCopy]:
        settings = dict(self.component_of(copy).settings)
        return self._sort(set(self.find_references(copy, settings)))[::-1]

    def _sort(self, copies: set[ComponentCopy]) -> list[ComponentCopy]:
        return sorted(copies, key=lambda copy: (copy.kind, self.name_of(copy), copy.flow or ""))

    def _check_names(self) -> None:
        seen: set[tuple[str, str]] = set()
        for copy in self.components:
            name = self.name_of(copy)
            if (copy.kind, name) in seen:
                raise ExportError(f"two stages would have the name {name!r}: choose another slug")
            seen.add((copy.kind, name))
