"""The content of an export: the parts of flows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from models.blueprint.authentik import kinds
from models.queries.bindings import PolicyBindingRow, StageBindingRow
from models.queries.flows import FlowRow
from models.queries.prompts import PromptRow

# The kinds of components.
STAGE, POLICY = kinds.STAGE.name, kinds.POLICY.name


class NaturalName(NamedTuple):
    """An object by its model and its natural key."""

    model: str
    name: str


class Note(NamedTuple):
    """A part of the stages or policies of a model that an export lacks, since it is not readable.

    The model is None for those of unknown type.
    """

    kind: str
    model: str | None
    text: str


@dataclass(frozen=True, slots=True)
class ExportedComponent:
    """A stage or a policy. The model is None if its type is unknown.

    `references` are the names of settings that the database declares as references, and `sets` those
    of lists without an order. With `has_tags`, an import has made the settings: `{"$find": …}` in
    them is a reference.
    """

    pk: str
    name: str
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    execution_logging: bool | None = None
    references: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()
    has_tags: bool = False


def _no_components() -> dict[str, dict[str, ExportedComponent]]:
    return {STAGE: {}, POLICY: {}}


@dataclass(frozen=True, slots=True)
class ExportContent:
    """The bindings of flows, and the stages, policies and prompts that these use.

    Also contains the stages and policies that settings refer to. `stage_bindings` are by flow,
    `policy_bindings` by target, `components` by STAGE or POLICY and primary key, and `prompts` by
    primary key. `names` has the objects that settings refer to by primary key, and `hidden` the
    primary keys of those that the viewer may not see.
    """

    stage_bindings: Mapping[str, Sequence[StageBindingRow]] = field(
        default_factory=dict[str, Sequence[StageBindingRow]]
    )
    policy_bindings: Mapping[str, Sequence[PolicyBindingRow]] = field(
        default_factory=dict[str, Sequence[PolicyBindingRow]]
    )
    components: Mapping[str, Mapping[str, ExportedComponent]] = field(
        default_factory=_no_components
    )
    prompts: Mapping[str, PromptRow] = field(default_factory=dict[str, PromptRow])
    names: Mapping[str, NaturalName] = field(default_factory=dict[str, NaturalName])
    hidden: Collection[str] = ()
    notes: Sequence[Note] = ()

    @property
    def size(self) -> int:
        """The number of objects."""
        lists = (
            self.prompts,
            *self.components.values(),
            *self.stage_bindings.values(),
            *self.policy_bindings.values(),
        )
        return sum(map(len, lists))

    def list_stage_bindings(self, flow: FlowRow) -> Sequence[StageBindingRow]:
        """Return the stage bindings of a flow in execution order, which an import keeps."""
        return self.stage_bindings.get(flow.pk, ())

    def list_policy_bindings(self, target: str) -> Sequence[PolicyBindingRow]:
        """Return the policy bindings of a target in order, which an import keeps."""
        return self.policy_bindings.get(target, ())

    def list_all_policy_bindings(self, flow: FlowRow) -> Iterator[PolicyBindingRow]:
        """Return the policy bindings of a flow, and of its bindings of stages of known type."""
        stages = (
            row for row in self.list_stage_bindings(flow) if self.components[STAGE][row.stage].model
        )
        targets = [
            flow.policybindingmodel_ptr_id,
            *(row.policybindingmodel_ptr_id for row in stages),
        ]
        return chain.from_iterable(map(self.list_policy_bindings, targets))
