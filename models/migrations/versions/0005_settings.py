"""Create the permission to view settings, and grant it to the roles of tokens that see all stages.

Before, the settings of stages and policies were stored, but not visible.
"""

from alembic import op
from sqlalchemy import text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ADD_CONTENT_TYPE = (
    "INSERT INTO django_content_type (app_label, model) SELECT 'flowql', 'settings' WHERE NOT EXISTS"
    " (SELECT 1 FROM django_content_type WHERE app_label = 'flowql' AND model = 'settings')"
)
ADD_PERMISSION = (
    "INSERT INTO auth_permission (name, content_type_id, codename)"
    " SELECT 'Can view settings', type.id, 'view_settings' FROM django_content_type AS type"
    " WHERE type.app_label = 'flowql' AND type.model = 'settings' AND NOT EXISTS"
    " (SELECT 1 FROM auth_permission WHERE content_type_id = type.id"
    " AND codename = 'view_settings')"
)
PERMISSION = "SELECT id FROM auth_permission WHERE codename = 'view_settings'"
# Only the roles that `flowql token create` made.
GRANT = (
    "INSERT INTO guardian_rolemodelpermission (content_type_id, permission_id, role_id)"
    " SELECT settings.content_type_id, settings.id, viewer.role_id"
    " FROM guardian_rolemodelpermission AS viewer"
    " JOIN auth_permission AS permission ON permission.id = viewer.permission_id"
    " JOIN authentik_rbac_role AS role ON role.uuid = viewer.role_id"
    " JOIN auth_permission AS settings ON settings.codename = 'view_settings'"
    " WHERE permission.codename = 'view_stage' AND role.name LIKE 'flowql token %'"
)


def upgrade() -> None:
    """Apply the migration."""
    for statement in (ADD_CONTENT_TYPE, ADD_PERMISSION, GRANT):
        op.execute(text(statement))
    _check_constraints()


def downgrade() -> None:
    """Revert the migration."""
    for statement in (
        f"DELETE FROM guardian_rolemodelpermission WHERE permission_id IN ({PERMISSION})",  # noqa: S608 - constants
        "DELETE FROM auth_permission WHERE codename = 'view_settings'",
        "DELETE FROM django_content_type WHERE app_label = 'flowql' AND model = 'settings'",
    ):
        op.execute(text(statement))
    _check_constraints()


def _check_constraints() -> None:
    # PostgreSQL does not alter or drop a table whose deferred constraints are unchecked.
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET CONSTRAINTS ALL IMMEDIATE")
        op.execute("SET CONSTRAINTS ALL DEFERRED")
