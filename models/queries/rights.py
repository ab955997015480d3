"""The rights that fields and endpoints require, and the SQL conditions that enforce them.

RIGHTS is the only table of rights: a resolver looks up its field or endpoint there before it reads,
and every SELECT takes its conditions from `Rights`. The permissions are authentik's.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Select,
    SQLColumnExpression,
    Text,
    bindparam,
    cast,
    false,
    literal_column,
    select,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import col

from models.queries.arrays import VALUE_COLUMN, InUuidArray, UuidArray
from models.queries.subselects import InHashedSubquery, InSubquery, exists_by_index, materialize
from models.tables.access import RoleObjectPermission, TokenFlow
from models.tables.columns import UUID

# The parameters of restricted SELECTs. Each permission adds its ID and that of its content type.
ROLES = "roles"
TOKEN = "token"  # noqa: S105 - the name of a parameter


class Permission(Enum):
    """A permission: the application and the model of its content type, and its codename."""

    VIEW_FLOW = ("authentik_flows", "flow", "view_flow")
    EXPORT_FLOW = ("authentik_flows", "flow", "export_flow")
    VIEW_STAGE_BINDING = ("authentik_flows", "flowstagebinding", "view_flowstagebinding")
    VIEW_STAGE = ("authentik_flows", "stage", "view_stage")
    VIEW_POLICY_BINDING = ("authentik_policies", "policybinding", "view_policybinding")
    VIEW_POLICY = ("authentik_policies", "policy", "view_policy")
    VIEW_PROMPT = ("authentik_stages_prompt", "prompt", "view_prompt")
    # For the settings of all types, in FlowQL's own database. authentik has one for each type.
    VIEW_SETTINGS = ("flowql", "settings", "view_settings")

    @property
    def codename(self) -> str:
        """The codename, which is unique among these permissions."""
        return self.value[2]

    @property
    def label(self) -> str:
        """The name that authentik displays: application and codename."""
        return f"{self.value[0]}.{self.codename}"

    @property
    def parameters(self) -> tuple[str, str]:
        """The names of the parameters with the IDs of the permission and of its content type."""
        return f"permission_{self.codename}", f"type_{self.codename}"


class Access(Enum):
    """The objects for which a viewer has a permission."""

    ALL = auto()
    # The flows in the scope of the token; the viewer has every other permission.
    SCOPE = auto()
    # The objects that roles of the viewer name.
    SOME = auto()
    NONE = auto()


class Right(NamedTuple):
    """A required permission: for the object, or `is_global`, for every object of its type.

    A token with a scope has the permission for every object in it, unless the right `is_unscoped`.
    """

    permission: Permission
    is_global: bool = False
    is_unscoped: bool = False


FLOW = (Right(Permission.VIEW_FLOW),)
ALL_FLOWS = (Right(Permission.VIEW_FLOW, is_global=True, is_unscoped=True),)
STAGE_BINDING = (Right(Permission.VIEW_STAGE_BINDING),)
STAGE = (Right(Permission.VIEW_STAGE),)
POLICY_BINDING = (Right(Permission.VIEW_POLICY_BINDING),)
POLICY = (Right(Permission.VIEW_POLICY),)
PROMPT = (Right(Permission.VIEW_PROMPT),)
# authentik requires these in addition to the permission for the flow.
EXPORT = (
    Right(Permission.EXPORT_FLOW),
    Right(Permission.VIEW_FLOW, is_global=True),
    Right(Permission.VIEW_STAGE_BINDING, is_global=True),
    Right(Permission.VIEW_STAGE, is_global=True),
    Right(Permission.VIEW_POLICY, is_global=True),
    Right(Permission.VIEW_POLICY_BINDING, is_global=True),
    Right(Permission.VIEW_PROMPT, is_global=True),
)

# The rights by schema coordinate, by type for `node` and `nodes`, and by view for REST. A field that
# is not listed requires no more than its object. Everything is below a flow: a request of a viewer
# who may see no flow is rejected as a whole, so the entries of flows themselves only add conditions
# to SELECTs.
RIGHTS: Mapping[str, Sequence[Right]] = {
    "Query.flows": FLOW,
    "Query.flowConnection": FLOW,
    "Query.flow": FLOW,
    "Query.stages": STAGE,
    "Query.stage": STAGE,
    "Query.policies": POLICY,
    "Query.policy": POLICY,
    "Query.source": ALL_FLOWS,
    "Query.drift": FLOW,
    "Query.node(Flow)": FLOW,
    "Query.node(FlowStageBinding)": STAGE_BINDING,
    "Query.node(Stage)": STAGE,
    "Query.node(Policy)": POLICY,
    "Query.node(PolicyBinding)": POLICY_BINDING,
    "Flow.stageBindings": STAGE_BINDING,
    "Flow.policyBindings": POLICY_BINDING,
    "FlowStageBinding.policyBindings": POLICY_BINDING,
    "Stage.flows": STAGE,
    "Stage.prompts": PROMPT,
    "Policy.flows": POLICY,
    "Policy.executionLogging": POLICY,
    "FlowWhere.stage": (*STAGE_BINDING, *STAGE),
    "FlowWhere.policy": (*POLICY_BINDING, *POLICY),
    "flows/instances/": FLOW,
    "flows/instances/{slug}/": FLOW,
    "flows/instances/{slug}/diagram/": FLOW,
    "flows/instances/{slug}/export/": (*FLOW, *EXPORT),
}


class TextToUuid(FunctionElement[str]):
    """A string as a UUID; for an invalid UUID it is NULL in PostgreSQL, unchanged in SQLite."""

    type = UUID
    inherit_cache = True


@compiles(TextToUuid, "sqlite")
def _sqlite_text_to_uuid(element: TextToUuid, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(TextToUuid, "postgresql")
def _postgresql_text_to_uuid(element: TextToUuid, compiler: SQLCompiler, **options: Any) -> str:
    # A uuid can use the index of the flows. Only the canonical form matches a primary key.
    text = compiler.process(element.clauses, **options)
    # These conditions are the fastest: translate() or a pattern with groups takes several times as long.
    is_canonical = (
        f"{text} LIKE '________-____-____-____-____________' AND {text} NOT LIKE '%-%-%-%-%-%'"
        f""" AND {text} COLLATE "C" !~ '[^0-9a-f-]'"""
    )
    return f"CASE WHEN {is_canonical} THEN CAST({text} AS uuid) END"


class Rights(NamedTuple):
    """The access of a viewer by permission. It is a part of queries, so it contains no values."""

    view_flow: Access = Access.NONE
    export_flow: Access = Access.NONE
    view_flowstagebinding: Access = Access.NONE
    view_stage: Access = Access.NONE
    view_policybinding: Access = Access.NONE
    view_policy: Access = Access.NONE
    view_prompt: Access = Access.NONE
    view_settings: Access = Access.NONE

    def access(self, permission: Permission) -> Access:
        """Return the access by a permission."""
        return getattr(self, permission.codename)

    def find_missing(self, coordinate: str) -> Sequence[Permission]:
        """Return the permissions that a field or endpoint requires and the viewer lacks.

        A permission for some objects is not missing, unless it must be global. The conditions of
        the SELECT decide about each object.
        """
        return [right.permission for right in RIGHTS[coordinate] if self._lacks(right)]

    def _lacks(self, right: Right) -> bool:
        insufficient = {
            Access.NONE: True,
            Access.SOME: right.is_global,
            Access.SCOPE: right.is_unscoped,
        }
        return insufficient.get(self.access(right.permission), False)

    @property
    def may_hide_bindings(self) -> bool:
        """True if stage bindings or policy bindings of a visible flow may be hidden."""
        return self.view_flowstagebinding is not Access.ALL or self.may_hide_policy_bindings

    @property
    def may_hide_policy_bindings(self) -> bool:
        """True if policy bindings of a visible flow or stage binding may be hidden."""
        return self.view_policybinding is not Access.ALL

    def conditions(
        self, permission: Permission, key: SQLColumnExpression[str]
    ) -> Iterator[ColumnElement[bool]]:
        """Yield the condition that the viewer has the permission for the object with this key.

        Yields nothing if the viewer has it for all objects. The condition probes an index: it suits
        objects that are found by another condition.
        """
        match self.access(permission):
            case Access.ALL:
                return
            case Access.NONE:
                yield false()
            case Access.SOME:
                yield has_grant(*_bind_parameters(permission), key)
            case Access.SCOPE:
                probe = _select_scope().where(col(TokenFlow.flow_id) == key)
                yield exists_by_index(probe.correlate_except(TokenFlow))

    def join_conditions(
        self, permission: Permission, key: SQLColumnExpression[str]
    ) -> Iterator[ColumnElement[bool]]:
        """Yield the condition that the viewer has the permission for the object with this key.

        Yields nothing if the viewer has it for all objects. The condition suits large parts of a
        table: the database selects the keys of the objects once, and searches each key there.
        """
        match self.access(permission):
            case Access.SOME:
                yield InHashedSubquery(key, _select_granted_keys(permission))
            case Access.SCOPE:
                yield InHashedSubquery(key, _select_scope_keys())
            case _:
                yield from self.conditions(permission, key)

    def list_conditions(
        self, permission: Permission, key: SQLColumnExpression[str]
    ) -> Iterator[ColumnElement[bool]]:
        """Yield the condition that the viewer has the permission for the object with this key.

        Yields nothing if the viewer has it for all objects. The database selects the keys of the
        other objects first: the condition suits lists, of which it may be the only condition.
        """
        match self.access(permission):
            case Access.ALL:
                return
            case Access.NONE:
                yield false()
            case Access.SOME:
                yield InSubquery(key, _select_granted_keys(permission))
            case Access.SCOPE:
                yield InSubquery(key, _select_scope_keys())


ALL_RIGHTS = Rights(*(Access.ALL for _ in Rights._fields))
SCOPE_RIGHTS = ALL_RIGHTS._replace(view_flow=Access.SCOPE)


def has_grant(
    permission_id: ColumnElement[int], type_id: ColumnElement[int], key: SQLColumnExpression[str]
) -> ColumnElement[bool]:
    """Return the condition that one of the viewer's roles has a permission for the object `key`.

    Parameter: `roles`.
    """
    # Each role is searched by itself in the index of all columns. Without statistics, PostgreSQL
    # expects few grants: for several roles at once, it would read all grants of the permission.
    roles, text = _select_role_keys(), cast(key, Text)
    grant = select(true()).where(
        col(RoleObjectPermission.role_id) == roles.c[VALUE_COLUMN],
        *_is_of_permission(permission_id, type_id),
        col(RoleObjectPermission.object_pk) == text,
    )
    has_role = exists_by_index(grant.correlate_except(RoleObjectPermission))
    role = select(true()).select_from(roles).where(has_role)
    return exists_by_index(role.correlate_except(roles))


@cache
def _select_role_keys() -> CTE:
    """SELECT the viewer's roles. A statement parses them once, because the CTE is the same object."""
    return materialize(select(UuidArray(ROLES).as_table().c[VALUE_COLUMN]), "viewer_roles")


def _bind_parameters(permission: Permission) -> tuple[ColumnElement[int], ColumnElement[int]]:
    permission_id, type_id = (bindparam(name, type_=Integer) for name in permission.parameters)
    return permission_id, type_id


def _is_of_permission(
    permission_id: ColumnElement[int], type_id: ColumnElement[int]
) -> Iterator[ColumnElement[bool]]:
    yield col(RoleObjectPermission.permission_id) == permission_id
    # With IS TRUE, no index serves this condition. Without statistics, PostgreSQL would combine one
    # with that of permissions, and read the grants of all roles.
    yield (col(RoleObjectPermission.content_type_id) == type_id).is_(true())


def _select_granted_keys(permission: Permission) -> Select[str]:
    """SELECT the keys of the objects for which the viewer has a permission; invalid ones are NULL."""
    return select(TextToUuid(col(RoleObjectPermission.object_pk))).where(
        InUuidArray(col(RoleObjectPermission.role_id), ROLES),
        *_is_of_permission(*_bind_parameters(permission)),
    )


def _select_scope_keys() -> Select[str]:
    return _select_scope().with_only_columns(col(TokenFlow.flow_id))


def _select_scope() -> Select[Any]:
    """SELECT the scope of the viewer's token."""
    return select(literal_column("1", Integer)).where(
        col(TokenFlow.token_id) == bindparam(TOKEN, type_=UUID)
    )
