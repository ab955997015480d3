"""The content of an export: flows, and what they consist of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from models.queries.bindings import PolicyBindingRow, StageBindingRow
from models.queries.flows import FlowRow
from models.queries.prompts import PromptRow


class NaturalName(NamedTuple):
    """An object by its model and its natural key."""

    model: str
    name: str


@dataclass(frozen=True, slots=True)
class Component:
    """A stage or a policy. The model is None if its type is unknown.

    `references` are the names of settings that the database declares as references.
    """

    pk: str
    name: str
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    execution_logging: bool | None = None
    references: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ExportContent:
    """Flows with their bindings, and the stages, policies and prompts that these use.

    Also contains the stages and policies that settings refer to. `stage_bindings` are by flow, and
    `policy_bindings` by target. `names` has every object by primary key that settings refer to.
    `notes` say what is missing, and why.
    """

    flows: Sequence[FlowRow]
    stage_bindings: Mapping[str, Sequence[StageBindingRow]]
    policy_bindings: Mapping[str, Sequence[PolicyBindingRow]]
    stages: Mapping[str, Component]
    policies: Mapping[str, Component]
    prompts: Sequence[PromptRow] = ()
    names: Mapping[str, NaturalName] = field(default_factory=dict[str, NaturalName])
    notes: Sequence[str] = ()

    @property
    def size(self) -> int:
        """The number of objects."""
        lists = (
            self.flows,
            self.prompts,
            self.policies,
            self.stages,
            *self.stage_bindings.values(),
            *self.policy_bindings.values(),
        )
        return sum(map(len, lists))

    def list_stage_bindings(self, flow: FlowRow) -> list[StageBindingRow]:
        """Return the stage bindings of a flow in an order that does not depend on primary keys."""
        rows = self.stage_bindings.get(flow.pk, ())
        return sorted(rows, key=lambda row: (row.order, row.stage_name))

    def list_policy_bindings(self, target: str) -> list[PolicyBindingRow]:
        """Return the policy bindings of a target in an order that does not depend on primary keys."""
        return sorted(self.policy_bindings.get(target, ()), key=_policy_binding_key)

    def list_all_policy_bindings(self, flow: FlowRow) -> Iterator[PolicyBindingRow]:
        """Return the policy bindings of a flow, and of its bindings of stages of known type."""
        stages = (row for row in self.list_stage_bindings(flow) if self.stages[row.stage].model)
        targets = [
            flow.policybindingmodel_ptr_id,
            *(row.policybindingmodel_ptr_id for row in stages),
        ]
        return chain.from_iterable(map(self.list_policy_bindings, targets))


def _policy_binding_key(row: PolicyBindingRow) -> tuple[Any, ...]:
    names = (row.policy_name or "", row.group_name or "", row.username or "")
    return (row.order, *names, row.enabled, row.negate, row.timeout, row.failure_result)
