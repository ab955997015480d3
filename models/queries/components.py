"""Components: stages and policies, their types, and the flows that use them."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple
from typing import cast as cast_type

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    case,
    cast,
    column,
    false,
    func,
    literal,
    select,
    table,
    union,
    union_all,
)
from sqlmodel import col

from models.queries.arrays import (
    VALUE_COLUMN,
    InUuidArray,
    UuidArray,
)
from models.queries.rights import Access, Permission, Rights
from models.queries.subselects import InSubquery, materialize
from models.tables.child_table import CHILD_KEYS, ChildTable
from models.tables.columns import TEXT, UUID, Table
from models.tables.flow import Flow, FlowStageBinding
from models.tables.policy import Policy, PolicyBinding, PolicyType
from models.tables.stage import Stage, StageType

ColumnExpressions = Mapping[str, SQLColumnExpression[Any]]
# authentik's tables, one for each type of component; None in FlowQL's own database.
ChildTables = tuple[ChildTable, ...] | None

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
    def sort_columns(self) -> ColumnExpressions:
        """The columns that components are sorted and compared by."""
        columns = STAGE_COLUMNS if self is Component.STAGE else POLICY_COLUMNS
        return {"name": columns["name"], "pk": self.key}

    def select_sort_columns(self) -> Select[*tuple[Any, ...]]:
        """SELECT the sort columns of all components."""
        columns: list[Any] = [column.label(name) for name, column in self.sort_columns.items()]
        return select(*columns).select_from(self.table)

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

    def may_hide(self, rights: Rights) -> bool:
        """Return True if components that flows use may be hidden."""
        return rights.access(self.permission) is not Access.ALL or self._may_hide_uses(rights)

    def conditions(self, rights: Rights) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions that a component is visible, and that a visible flow uses it.

        They suit lists. The database starts with the visible uses, or with the visible components,
        unless the viewer may see all of them.
        """
        if self._may_hide_uses(rights):
            yield InSubquery(self.key, self._select_used(rights))
        else:
            yield from rights.list_conditions(self.permission, self.key)
            # PostgreSQL expects of this form that it is true for most rows, so it can read the
            # first rows of an index.
            yield self._find_use(self.key, rights).is_not(None)

    def select_visible(self, parameter: str, rights: Rights) -> Select[str]:
        """SELECT the keys in an array parameter if a visible flow uses the component and it is visible.

        The work does not depend on the existence of hidden components, nor on hidden uses. Unused
        keys may be NULL.
        """
        keys = UuidArray(parameter).as_table()
        key = keys.c[VALUE_COLUMN]
        if self._may_hide_uses(rights):
            used = self._select_used(rights)
            # The subquery parses the parameter once, not for each used component.
            return used.where(InSubquery(used.selected_columns[0], select(key)))
        is_visible = rights.conditions(self.permission, key)
        return select(self._find_use(key, rights)).select_from(keys).where(*is_visible)

    def _may_hide_uses(self, rights: Rights) -> bool:
        """Return True if uses by flows may be hidden. A use of a stage is as visible as its flow."""
        may_hide_bindings = self is Component.POLICY and rights.may_hide_bindings
        return rights.view_flow is not Access.ALL or may_hide_bindings

    def _find_use(self, key: SQLColumnExpression[str], rights: Rights) -> ColumnElement[str]:
        """SELECT a key if a visible flow uses the component with this key."""
        uses = [use.find(key).scalar_subquery() for use in list_uses(self, rights)]
        return func.coalesce(*uses) if len(uses) > 1 else uses[0]

    def _select_used(self, rights: Rights) -> Select[str]:
        """SELECT the visible components in visible uses, all of which are selected first."""
        used = union(*(use.select_visible() for use in list_uses(self, rights)))
        [key] = materialize(used).c
        return select(key).where(*rights.join_conditions(self.permission, key))


class Use(NamedTuple):
    """A way in which flows use components: the columns (component, flow) of joined tables.

    The viewer may see a use of a visible flow if the conditions hold. `bindings` is the table of the
    component's bindings alone; `restriction` is the condition on it that the use is visible, for
    lists of all visible uses.
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

    def find(self, key: SQLColumnExpression[str]) -> Select[str]:
        """SELECT the key if a flow uses the component with this key. All uses are visible."""
        # With an equation, PostgreSQL scans the table for the first of many estimated rows. With a
        # range and an order, it uses the index.
        is_key = self.component.between(key, key)
        rows = select(self.component).select_from(self.source).where(*self.conditions, is_key)
        return rows.order_by(self.component).limit(1)

    def select_visible(self) -> Select[str]:
        """SELECT the components in visible uses."""
        return select(self.component).select_from(self.bindings).where(*self.restriction)


def list_uses(component: Component, rights: Rights) -> Sequence[Use]:
    """Return the ways in which flows use stages, or policies.

    The first way is as visible as the flow, whose lists of stages and policies contain it.
    """
    if component is Component.STAGE:
        return [_build_stage_use(rights)]
    return [_build_policy_use(rights), _build_policy_use_by_stage(rights)]


def _build_stage_use(rights: Rights) -> Use:
    bindings, flow = table_of(FlowStageBinding), col(FlowStageBinding.target_id)
    restriction = list(rights.list_conditions(Permission.VIEW_FLOW, flow))
    return Use(col(FlowStageBinding.stage_id), flow, bindings, (), bindings, restriction)


def _build_policy_use(rights: Rights) -> Use:
    bindings, target = table_of(PolicyBinding), col(PolicyBinding.target_id)
    flow, flow_target = col(Flow.flow_uuid), col(Flow.policybindingmodel_ptr_id)
    is_visible = rights.list_conditions(Permission.VIEW_FLOW, flow)
    return Use(
        col(PolicyBinding.policy_id),
        flow,
        bindings.join(Flow, target == flow_target),
        (),
        bindings,
        [_is_target(target, flow_target, list(is_visible))],
    )


def _build_policy_use_by_stage(rights: Rights) -> Use:
    """Build the use by policy bindings of stage bindings, both of which must be visible."""
    bindings, target = table_of(PolicyBinding), col(PolicyBinding.target_id)
    flow, stage_target = (
        col(FlowStageBinding.target_id),
        col(FlowStageBinding.policybindingmodel_ptr_id),
    )
    policy_binding = (Permission.VIEW_POLICY_BINDING, col(PolicyBinding.policy_binding_uuid))
    stage_binding = (Permission.VIEW_STAGE_BINDING, col(FlowStageBinding.fsb_uuid))
    has_visible_target = [
        *rights.list_conditions(Permission.VIEW_FLOW, flow),
        *rights.list_conditions(*stage_binding),
    ]
    return Use(
        col(PolicyBinding.policy_id),
        flow,
        bindings.join(FlowStageBinding, target == stage_target),
        [*rights.conditions(*policy_binding), *rights.conditions(*stage_binding)],
        bindings,
        [
            _is_target(target, stage_target, has_visible_target),
            *rights.list_conditions(*policy_binding),
        ],
    )


def _is_target(
    target: SQLColumnExpression[Any],
    key: SQLColumnExpression[Any],
    conditions: Sequence[ColumnElement[bool]],
) -> ColumnElement[bool]:
    """Return the condition that a target is among the keys of the rows that satisfy conditions."""
    rows = select(key).where(*conditions)
    # Without conditions there are too many keys for an array.
    return InSubquery(target, rows) if conditions else cast_type(Any, target).in_(rows)


def table_of(model: type[Table]) -> Any:
    """Return the SQLAlchemy table of a model. SQLModel's annotations omit it."""
    return cast_type(Any, model).__table__


class TypeLookup(NamedTuple):
    """The source of the types of components."""

    component: Component
    child_tables: ChildTables = None

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


def join_types(
    columns: ColumnExpressions, source: Any, name: str, types: TypeLookup | None, keys: Select[Any]
) -> tuple[ColumnExpressions, Any]:
    """Add the type of the object of this name to the columns and to their source."""
    if types is None:
        return columns, source
    models = types.select_types(keys)
    column = f"{name}.type" if name else "type"
    joined = source.outerjoin(models, models.c.ptr_id == types.component.key)
    return {**columns, column: models.c.model}, joined


def select_models(child: ChildTable) -> Select[str, str]:
    """SELECT (ptr_id, model) of all components in a child table."""
    key: ColumnElement[str] = column(child.key, UUID)
    rows = select(key.label("ptr_id"), literal(child.model, TEXT).label("model"))
    return rows.select_from(table(child.name))


def _select_models_of(child: ChildTable, keys: CTE) -> Select[str, str]:
    key: ColumnElement[str] = column(child.key, UUID)
    return select_models(child).where(InSubquery(key, select(*keys.c)))
