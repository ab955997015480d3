"""Components: stages and policies, their types, and the flows that use them."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple
from typing import cast as cast_type

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    false,
    func,
    literal,
    select,
    table,
    union_all,
)
from sqlmodel import col

from models.queries.arrays import InSubquery, InUuidArray
from models.queries.rights import Access, Permission, Rights
from models.tables.child_table import CHILD_KEYS, ChildTable
from models.tables.columns import TEXT, UUID, Table
from models.tables.flow import Flow, FlowStageBinding
from models.tables.policy import Policy, PolicyBinding, PolicyType
from models.tables.stage import Stage, StageType

ColumnExpressions = Mapping[str, SQLColumnExpression[Any]]

STAGE_KEY = col(Stage.stage_uuid)
POLICY_KEY = col(Policy.policy_uuid)
STAGE_COLUMNS: ColumnExpressions = {"pk": cast(STAGE_KEY, Text), "name": col(Stage.name)}
POLICY_COLUMNS: ColumnExpressions = {"pk": cast(POLICY_KEY, Text), "name": col(Policy.name)}
# These are NULL unless the viewer has the permission to view the component.
GUARDED_STAGE_COLUMNS: ColumnExpressions = {"visible_pk": cast(STAGE_KEY, Text)}
GUARDED_POLICY_COLUMNS: ColumnExpressions = {
    "visible_pk": cast(POLICY_KEY, Text),
    "execution_logging": col(Policy.execution_logging),
}


class Component(Enum):
    """A kind of component. The value is the name of the primary key of authentik's child tables."""

    STAGE = CHILD_KEYS["stages"]
    POLICY = CHILD_KEYS["policies"]

    @property
    def permission(self) -> Permission:
        """The permission to view a component."""
        return Permission.VIEW_STAGE if self is Component.STAGE else Permission.VIEW_POLICY

    def columns(self, rights: Rights) -> ColumnExpressions:
        """Return the columns of a component for a viewer, without its type."""
        is_stage = self is Component.STAGE
        columns = STAGE_COLUMNS if is_stage else POLICY_COLUMNS
        guarded = GUARDED_STAGE_COLUMNS if is_stage else GUARDED_POLICY_COLUMNS
        conditions = list(rights.conditions(self.permission, self.key))
        if conditions:
            guarded = {name: case((and_(*conditions), guarded[name])) for name in guarded}
        return {**columns, **guarded}

    @property
    def table(self) -> type[Table]:
        """The parent table of all types."""
        return Stage if self is Component.STAGE else Policy

    @property
    def key(self) -> SQLColumnExpression[str]:
        """The primary key of the parent table."""
        return STAGE_KEY if self is Component.STAGE else POLICY_KEY

    @property
    def types(self) -> FromClause:
        """The table (ptr_id, model) of FlowQL's own database."""
        types = StageType if self is Component.STAGE else PolicyType
        return Table.metadata.tables[types.__tablename__]

    def select_uses(self, parameter: str, rights: Rights) -> Select[*tuple[Any, ...]]:
        """SELECT (component, flow) for each use of the components that a parameter lists.

        A flow uses the stages of its stage bindings, and the policies bound to it or to one of
        these. Includes flows that the viewer may not see.
        """
        uses = union_all(
            *(
                use.select().where(InUuidArray(use.component, parameter), *use.conditions)
                for use in list_uses(self, rights)
            )
        ).subquery()
        return select(uses.c.component, uses.c.flow).distinct()

    def select_visible(self, parameter: str, rights: Rights) -> ColumnElement[str]:
        """SELECT the key in a parameter if a visible flow uses the component, and it is visible.

        The work does not depend on hidden rows: neither on the existence of the component nor, if
        the viewer may see some flows only, on its uses by other flows.
        """
        key = bindparam(parameter, type_=UUID)
        is_visible = list(rights.conditions(self.permission, key))
        uses = [
            use.find(key, rights).where(*is_visible).scalar_subquery()
            for use in list_uses(self, rights)
        ]
        return func.coalesce(*uses) if len(uses) > 1 else uses[0]


class Use(NamedTuple):
    """A way in which flows use components: the columns (component, flow) of joined tables.

    The viewer may see a use of a visible flow if the conditions hold. `bindings` is the table of the
    component's bindings alone; `restriction` is the condition on it that the use is visible, for a
    viewer who may see some flows only.
    """

    component: SQLColumnExpression[Any]
    flow: SQLColumnExpression[Any]
    source: FromClause
    conditions: Sequence[ColumnElement[bool]]
    bindings: FromClause
    restriction: Sequence[ColumnElement[bool]]

    def select(self) -> Select[*tuple[Any, ...]]:
        """SELECT (component, flow) for each use."""
        columns: list[ColumnElement[Any]] = [
            self.component.label("component"),
            self.flow.label("flow"),
        ]
        return select(*columns).select_from(self.source)

    def find(self, key: BindParameter[Any], rights: Rights) -> Select[*tuple[Any, ...]]:
        """SELECT the key if a visible flow uses the component with this key."""
        rows = select(self.component).limit(1)
        if rights.view_flow is Access.ALL:
            # With an equation, PostgreSQL scans the table for the first of many estimated rows.
            # With a range and an order, it uses the index.
            is_key = self.component.between(key, key)
            rows = rows.select_from(self.source).where(*self.conditions, is_key)
            return rows.order_by(self.component)
        # The cast keeps the database from starting with the uses by hidden flows.
        is_key = cast(self.component, Text) == cast(key, Text)
        return rows.select_from(self.bindings).where(*self.restriction, is_key)


def list_uses(component: Component, rights: Rights) -> Sequence[Use]:
    """Return the ways in which flows use stages, or policies.

    The first way is as visible as the flow, whose lists of stages and policies contain it.
    """
    if component is Component.STAGE:
        return [_build_stage_use(rights)]
    return [_build_policy_use(rights), _build_policy_use_by_stage(rights)]


def _build_stage_use(rights: Rights) -> Use:
    bindings, flow = table_of(FlowStageBinding), col(FlowStageBinding.target_id)
    restriction = list(rights.flow_conditions(flow))
    return Use(col(FlowStageBinding.stage_id), flow, bindings, (), bindings, restriction)


def _build_policy_use(rights: Rights) -> Use:
    bindings, target = table_of(PolicyBinding), col(PolicyBinding.target_id)
    flow, flow_target = col(Flow.flow_uuid), col(Flow.policybindingmodel_ptr_id)
    targets = select(flow_target).where(*rights.flow_conditions(flow))
    return Use(
        col(PolicyBinding.policy_id),
        flow,
        bindings.join(Flow, target == flow_target),
        (),
        bindings,
        [InSubquery(target, targets)],
    )


def _build_policy_use_by_stage(rights: Rights) -> Use:
    """Build the use by policy bindings of stage bindings, both of which must be visible."""
    bindings, target = table_of(PolicyBinding), col(PolicyBinding.target_id)
    flow, stage_target = (
        col(FlowStageBinding.target_id),
        col(FlowStageBinding.policybindingmodel_ptr_id),
    )
    is_visible = list(
        rights.conditions(Permission.VIEW_POLICY_BINDING, col(PolicyBinding.policy_binding_uuid))
    )
    has_visible_target = list(
        rights.conditions(Permission.VIEW_STAGE_BINDING, col(FlowStageBinding.fsb_uuid))
    )
    targets = select(stage_target).where(*rights.flow_conditions(flow), *has_visible_target)
    return Use(
        col(PolicyBinding.policy_id),
        flow,
        bindings.join(FlowStageBinding, target == stage_target),
        [*is_visible, *has_visible_target],
        bindings,
        [InSubquery(target, targets), *is_visible],
    )


def table_of(model: type[Table]) -> Any:
    """Return the SQLAlchemy table of a model. SQLModel's annotations omit it."""
    return cast_type(Any, model).__table__


class TypeLookup(NamedTuple):
    """The source of the types of components.

    `child_tables` are authentik's tables, one for each type; None in FlowQL's own database.
    """

    component: Component
    child_tables: tuple[ChildTable, ...] | None = None

    def select_types(self, keys: Select[Any]) -> FromClause:
        """SELECT (ptr_id, model) of the components with these keys whose type is known."""
        if self.child_tables is None:
            return self.component.types
        if not self.child_tables:
            no_types = select(
                literal(None, UUID).label("ptr_id"), literal(None, TEXT).label("model")
            )
            return no_types.where(false()).subquery("types")
        component_keys = keys.cte("component_keys")
        models = union_all(
            *(_select_models_of(child, component_keys) for child in self.child_tables)
        ).subquery()
        # MIN keeps one row of a component that is in two child tables.
        types = select(models.c.ptr_id, func.min(models.c.model).label("model"))
        return types.group_by(models.c.ptr_id).subquery("types")


def select_models(child: ChildTable) -> Select[str, str]:
    """SELECT (ptr_id, model) of all components in a child table."""
    key: ColumnElement[str] = column(child.key, UUID)
    rows = select(key.label("ptr_id"), literal(child.model, TEXT).label("model"))
    return rows.select_from(table(child.name))


def _select_models_of(child: ChildTable, keys: CTE) -> Select[str, str]:
    key: ColumnElement[str] = column(child.key, UUID)
    return select_models(child).where(InSubquery(key, select(*keys.c)))
