"""Create the scopes of tokens and the permissions below flows, and keep what tokens can see.

Also create the table with the minimum version. A later migration that FlowQL of this version cannot
read updates the row.

Before, `view_flow` opened everything below a flow. Roles that may view all flows get the other
permissions, and tokens that may view some flows get these as their scope.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UUID: TypeEngine[str] = sa.CHAR(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
VERSION: TypeEngine[str] = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
# The application and the model of the content type, the codename and the name.
PERMISSIONS = (
    ("authentik_flows", "flow", "export_flow", "Can export Flow"),
    ("authentik_flows", "flowstagebinding", "view_flowstagebinding", "Can view Flow Stage Binding"),
    ("authentik_flows", "stage", "view_stage", "Can view stage"),
    ("authentik_policies", "policybinding", "view_policybinding", "Can view Policy Binding"),
    ("authentik_policies", "policy", "view_policy", "Can view Policy"),
    ("authentik_stages_prompt", "prompt", "view_prompt", "Can view Prompt"),
)
VIEW_FLOW = (
    "SELECT permission.id FROM auth_permission AS permission"
    " JOIN django_content_type AS type ON type.id = permission.content_type_id"
    " WHERE type.app_label = 'authentik_flows' AND type.model = 'flow'"
    " AND permission.codename = 'view_flow'"
)
ADD_CONTENT_TYPE = (
    "INSERT INTO django_content_type (app_label, model) SELECT :app_label, :model WHERE NOT EXISTS"
    " (SELECT 1 FROM django_content_type WHERE app_label = :app_label AND model = :model)"
)
ADD_PERMISSION = (
    "INSERT INTO auth_permission (name, content_type_id, codename)"
    " SELECT :name, type.id, :codename FROM django_content_type AS type"
    " WHERE type.app_label = :app_label AND type.model = :model AND NOT EXISTS"
    " (SELECT 1 FROM auth_permission WHERE content_type_id = type.id AND codename = :codename)"
)
GRANT_TO_VIEWERS = (
    "INSERT INTO guardian_rolemodelpermission (content_type_id, permission_id, role_id)"  # noqa: S608 - constants
    " SELECT permission.content_type_id, permission.id, viewer.role_id"
    " FROM guardian_rolemodelpermission AS viewer, auth_permission AS permission"
    " JOIN django_content_type AS type ON type.id = permission.content_type_id"
    f" WHERE viewer.permission_id = ({VIEW_FLOW})"
    " AND type.app_label = :app_label AND type.model = :model AND permission.codename = :codename"
    " AND NOT EXISTS (SELECT 1 FROM guardian_rolemodelpermission AS existing"
    " WHERE existing.role_id = viewer.role_id AND existing.permission_id = permission.id)"
)
ADD_SCOPES = (
    "INSERT INTO flowql_tokenflow (token_id, flow_id)"  # noqa: S608 - constants
    " SELECT DISTINCT token.token_uuid, flow.flow_uuid FROM authentik_core_token AS token"
    " JOIN authentik_core_user_roles AS role ON role.user_id = token.user_id"
    " JOIN guardian_roleobjectpermission AS viewer ON viewer.role_id = role.role_id"
    " JOIN authentik_flows_flow AS flow ON CAST(flow.flow_uuid AS TEXT) = viewer.object_pk"
    f" WHERE viewer.permission_id = ({VIEW_FLOW}) AND NOT EXISTS"
    " (SELECT 1 FROM guardian_rolemodelpermission AS every"
    " JOIN authentik_core_user_roles AS other ON other.role_id = every.role_id"
    f" WHERE other.user_id = token.user_id AND every.permission_id = ({VIEW_FLOW}))"
)
# Only those that `flowql token create` made.
DELETE_GRANTS = (
    f"DELETE FROM guardian_roleobjectpermission WHERE permission_id = ({VIEW_FLOW})"  # noqa: S608 - constants
    " AND role_id IN (SELECT uuid FROM authentik_rbac_role WHERE name LIKE 'flowql token %')"
)


def upgrade() -> None:
    """Apply the migration."""
    minimum_version = op.create_table(
        "flowql_schema",
        sa.Column("minimum_version", VERSION, nullable=False),
        sa.PrimaryKeyConstraint("minimum_version"),
    )
    op.bulk_insert(minimum_version, [{"minimum_version": revision}])
    op.create_table(
        "flowql_tokenflow",
        sa.Column("token_id", UUID, nullable=False),
        sa.Column("flow_id", UUID, nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["authentik_core_token.token_uuid"],
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["flow_id"],
            ["authentik_flows_flow.flow_uuid"],
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("token_id", "flow_id"),
    )
    op.create_index(op.f("flowql_tokenflow_flow_id"), "flowql_tokenflow", ["flow_id"])
    for app_label, model, codename, name in PERMISSIONS:
        values = {"app_label": app_label, "model": model, "codename": codename, "name": name}
        for statement in (ADD_CONTENT_TYPE, ADD_PERMISSION, GRANT_TO_VIEWERS):
            _execute(statement, values)
    _execute(ADD_SCOPES, {})
    _execute(DELETE_GRANTS, {})
    _check_constraints()


def downgrade() -> None:
    """Revert the migration. Tokens with a scope see no flows afterwards."""
    op.drop_table("flowql_schema")
    op.drop_index(op.f("flowql_tokenflow_flow_id"), "flowql_tokenflow")
    op.drop_table("flowql_tokenflow")
    for app_label, model, codename, _ in PERMISSIONS:
        permissions = (
            "SELECT permission.id FROM auth_permission AS permission"
            " JOIN django_content_type AS type ON type.id = permission.content_type_id"
            " WHERE type.app_label = :app_label AND type.model = :model"
            " AND permission.codename = :codename"
        )
        values = {"app_label": app_label, "model": model, "codename": codename}
        for table in ("guardian_rolemodelpermission", "guardian_roleobjectpermission"):
            _execute(f"DELETE FROM {table} WHERE permission_id IN ({permissions})", values)  # noqa: S608 - constants
        _execute(f"DELETE FROM auth_permission WHERE id IN ({permissions})", values)  # noqa: S608 - constants
    _check_constraints()


def _execute(statement: str, values: dict[str, str]) -> None:
    parameters = [sa.bindparam(name, type_=sa.Text()) for name in values if f":{name}" in statement]
    used = {parameter.key: values[parameter.key] for parameter in parameters}
    op.get_bind().execute(sa.text(statement).bindparams(*parameters), used)


def _check_constraints() -> None:
    # PostgreSQL does not alter or drop a table whose deferred constraints are unchecked.
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET CONSTRAINTS ALL IMMEDIATE")
        op.execute("SET CONSTRAINTS ALL DEFERRED")
