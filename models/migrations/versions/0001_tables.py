"""Create authentik's tables for flow data, and tables for the types of stages and policies."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Collation "C" sorts as SQLite does: the order is the same in all of FlowQL's own databases.
TEXT: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UUID: TypeEngine[str] = sa.CHAR(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
TIMESTAMP: TypeEngine[datetime] = sa.DateTime(timezone=True)
JSON_OBJECT: TypeEngine[Any] = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def varchar(length: int) -> TypeEngine[str]:
    """Return the type of strings of at most `length` characters, sorted like TEXT."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "authentik_core_group",
        sa.Column("group_uuid", UUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("is_superuser", sa.Boolean(), nullable=False),
        sa.Column("attributes", JSON_OBJECT, nullable=False),
        sa.PrimaryKeyConstraint("group_uuid"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "authentik_core_user",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("password", varchar(128), nullable=False),
        sa.Column("last_login", TIMESTAMP, nullable=True),
        sa.Column("username", varchar(150), nullable=False),
        sa.Column("first_name", varchar(150), nullable=False),
        sa.Column("last_name", varchar(150), nullable=False),
        sa.Column("email", varchar(254), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("date_joined", TIMESTAMP, nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("attributes", JSON_OBJECT, nullable=False),
        sa.Column("password_change_date", TIMESTAMP, nullable=False),
        sa.Column("last_updated", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("username"),
        sa.UniqueConstraint("uuid"),
    )
    op.create_table(
        "authentik_flows_stage",
        sa.Column("stage_uuid", UUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("stage_uuid"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "authentik_policies_policy",
        sa.Column("created", TIMESTAMP, nullable=False),
        sa.Column("last_updated", TIMESTAMP, nullable=False),
        sa.Column("policy_uuid", UUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("execution_logging", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("policy_uuid"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "authentik_policies_policybindingmodel",
        sa.Column("pbm_uuid", UUID, nullable=False),
        sa.Column("policy_engine_mode", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("pbm_uuid"),
    )
    op.create_table(
        "authentik_rbac_role",
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("managed", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("uuid"),
        sa.UniqueConstraint("managed"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "django_content_type",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("app_label", varchar(100), nullable=False),
        sa.Column("model", varchar(100), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("app_label", "model"),
    )
    op.create_table(
        "django_postgres_cache_cacheentry",
        sa.Column("cache_key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("expires", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("cache_key"),
    )
    op.create_index(
        op.f("django_postgres_cache_cacheentry_expires"),
        "django_postgres_cache_cacheentry",
        ["expires"],
        unique=False,
    )

    op.create_table(
        "auth_permission",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", varchar(255), nullable=False),
        sa.Column("content_type_id", sa.Integer(), nullable=False),
        sa.Column("codename", varchar(100), nullable=False),
        sa.ForeignKeyConstraint(
            ["content_type_id"], ["django_content_type.id"], initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("content_type_id", "codename"),
    )
    op.create_table(
        "authentik_core_group_roles",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("group_id", UUID, nullable=False),
        sa.Column("role_id", UUID, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["authentik_core_group.group_uuid"], initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["authentik_rbac_role.uuid"], initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("group_id", "role_id"),
    )
    op.create_table(
        "authentik_core_groupparentage",
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("child_id", UUID, nullable=False),
        sa.Column("parent_id", UUID, nullable=False),
        sa.ForeignKeyConstraint(
            ["child_id"], ["authentik_core_group.group_uuid"], initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["authentik_core_group.group_uuid"],
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("uuid"),
    )
    op.create_index(
        op.f("authentik_core_groupparentage_child_id"),
        "authentik_core_groupparentage",
        ["child_id"],
        unique=False,
    )
    op.create_index(
        op.f("authentik_core_groupparentage_parent_id"),
        "authentik_core_groupparentage",
        ["parent_id"],
        unique=False,
    )

    op.create_table(
        "authentik_core_token",
        sa.Column("token_uuid", UUID, nullable=False),
        sa.Column("identifier", varchar(255), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("intent", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("expires", TIMESTAMP, nullable=True),
        sa.Column("expiring", sa.Boolean(), nullable=False),
        sa.Column("managed", TEXT, nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["authentik_core_user.id"], initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("token_uuid"),
        sa.UniqueConstraint("identifier"),
        sa.UniqueConstraint("managed"),
    )
    op.create_index(op.f("authentik_core_token_key"), "authentik_core_token", ["key"], unique=False)
    op.create_index(
        op.f("authentik_core_token_user_id"), "authentik_core_token", ["user_id"], unique=False
    )

    op.create_table(
        "authentik_core_user_groups",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("group_id", UUID, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["authentik_core_group.group_uuid"], initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["authentik_core_user.id"], initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("user_id", "group_id"),
    )
    op.create_table(
        "authentik_core_user_roles",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("role_id", UUID, nullable=False),
        sa.ForeignKeyConstraint(
            ["role_id"], ["authentik_rbac_role.uuid"], initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["authentik_core_user.id"], initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("user_id", "role_id"),
    )
    op.create_table(
        "authentik_flows_flow",
        sa.Column("policybindingmodel_ptr_id", UUID, nullable=False),
        sa.Column("flow_uuid", UUID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("layout", TEXT, nullable=False),
        sa.Column("designation", varchar(100), nullable=False),
        sa.Column("background", TEXT, nullable=False),
        sa.Column("compatibility_mode", sa.Boolean(), nullable=False),
        sa.Column("denied_action", TEXT, nullable=False),
        sa.Column("authentication", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["policybindingmodel_ptr_id"],
            ["authentik_policies_policybindingmodel.pbm_uuid"],
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("flow_uuid"),
        sa.UniqueConstraint("policybindingmodel_ptr_id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "authentik_policies_policybinding",
        sa.Column("policy_binding_uuid", UUID, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("negate", sa.Boolean(), nullable=False),
        sa.Column("timeout", sa.Integer(), nullable=False),
        sa.Column("failure_result", sa.Boolean(), nullable=False),
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("expires", TIMESTAMP, nullable=True),
        sa.Column("expiring", sa.Boolean(), nullable=False),
        sa.Column("policy_id", UUID, nullable=True),
        sa.Column("group_id", UUID, nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("target_id", UUID, nullable=False),
        sa.CheckConstraint("timeout >= 0", name="authentik_policies_policybinding_timeout_check"),
        sa.ForeignKeyConstraint(
            ["group_id"], ["authentik_core_group.group_uuid"], initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"],
            ["authentik_policies_policy.policy_uuid"],
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["authentik_policies_policybindingmodel.pbm_uuid"],
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["authentik_core_user.id"], initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("policy_binding_uuid"),
        sa.UniqueConstraint("policy_id", "target_id", "order"),
    )
    op.create_index(
        op.f("authentik_policies_policybinding_policy_id"),
        "authentik_policies_policybinding",
        ["policy_id"],
        unique=False,
    )
    op.create_index(
        op.f("authentik_policies_policybinding_target_id"),
        "authentik_policies_policybinding",
        ["target_id"],
        unique=False,
    )

    op.create_table(
        "flowql_policytype",
        sa.Column("ptr_id", UUID, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["ptr_id"],
            ["authentik_policies_policy.policy_uuid"],
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("ptr_id"),
    )
    op.create_table(
        "flowql_stagetype",
        sa.Column("ptr_id", UUID, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["ptr_id"],
            ["authentik_flows_stage.stage_uuid"],
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("ptr_id"),
    )
    op.create_table(
        "authentik_flows_flowstagebinding",
        sa.Column("policybindingmodel_ptr_id", UUID, nullable=False),
        sa.Column("fsb_uuid", UUID, nullable=False),
        sa.Column("evaluate_on_plan", sa.Boolean(), nullable=False),
        sa.Column("re_evaluate_policies", sa.Boolean(), nullable=False),
        sa.Column("invalid_response_action", TEXT, nullable=False),
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("stage_id", UUID, nullable=False),
        sa.Column("target_id", UUID, nullable=False),
        sa.ForeignKeyConstraint(
            ["policybindingmodel_ptr_id"],
            ["authentik_policies_policybindingmodel.pbm_uuid"],
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["stage_id"],
            ["authentik_flows_stage.stage_uuid"],
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["target_id"], ["authentik_flows_flow.flow_uuid"], initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("fsb_uuid"),
        sa.UniqueConstraint("policybindingmodel_ptr_id"),
        sa.UniqueConstraint("target_id", "stage_id", "order"),
    )
    op.create_index(
        op.f("authentik_flows_flowstagebinding_stage_id"),
        "authentik_flows_flowstagebinding",
        ["stage_id"],
        unique=False,
    )
    op.create_index(
        op.f("authentik_flows_flowstagebinding_target_id"),
        "authentik_flows_flowstagebinding",
        ["target_id"],
        unique=False,
    )

    op.create_table(
        "guardian_rolemodelpermission",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("content_type_id", sa.Integer(), nullable=False),
        sa.Column("permission_id", sa.Integer(), nullable=False),
        sa.Column("role_id", UUID, nullable=False),
        sa.ForeignKeyConstraint(
            ["content_type_id"], ["django_content_type.id"], initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["permission_id"], ["auth_permission.id"], initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["authentik_rbac_role.uuid"], initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("role_id", "permission_id"),
    )
    op.create_table(
        "guardian_roleobjectpermission",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("object_pk", varchar(255), nullable=False),
        sa.Column("content_type_id", sa.Integer(), nullable=False),
        sa.Column("permission_id", sa.Integer(), nullable=False),
        sa.Column("role_id", UUID, nullable=False),
        sa.ForeignKeyConstraint(
            ["content_type_id"], ["django_content_type.id"], initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["permission_id"], ["auth_permission.id"], initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["authentik_rbac_role.uuid"], initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("role_id", "permission_id", "object_pk"),
    )
    content_type = sa.table(
        "django_content_type", sa.column("id"), sa.column("app_label"), sa.column("model")
    )
    permission = sa.table(
        "auth_permission",
        sa.column("id"),
        sa.column("name"),
        sa.column("content_type_id"),
        sa.column("codename"),
    )
    op.bulk_insert(content_type, [{"app_label": "authentik_flows", "model": "flow"}])
    op.execute(
        permission.insert().from_select(
            ["name", "content_type_id", "codename"],
            sa.select(sa.literal("Can view Flow"), content_type.c.id, sa.literal("view_flow")),
        )
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("guardian_roleobjectpermission")
    op.drop_table("guardian_rolemodelpermission")
    op.drop_index(
        op.f("authentik_flows_flowstagebinding_target_id"), "authentik_flows_flowstagebinding"
    )
    op.drop_index(
        op.f("authentik_flows_flowstagebinding_stage_id"), "authentik_flows_flowstagebinding"
    )

    op.drop_table("authentik_flows_flowstagebinding")
    op.drop_table("flowql_stagetype")
    op.drop_table("flowql_policytype")
    op.drop_index(
        op.f("authentik_policies_policybinding_target_id"), "authentik_policies_policybinding"
    )
    op.drop_index(
        op.f("authentik_policies_policybinding_policy_id"), "authentik_policies_policybinding"
    )

    op.drop_table("authentik_policies_policybinding")
    op.drop_table("authentik_flows_flow")
    op.drop_table("authentik_core_user_roles")
    op.drop_table("authentik_core_user_groups")
    op.drop_index(op.f("authentik_core_token_user_id"), "authentik_core_token")
    op.drop_index(op.f("authentik_core_token_key"), "authentik_core_token")

    op.drop_table("authentik_core_token")
    op.drop_index(op.f("authentik_core_groupparentage_parent_id"), "authentik_core_groupparentage")
    op.drop_index(op.f("authentik_core_groupparentage_child_id"), "authentik_core_groupparentage")

    op.drop_table("authentik_core_groupparentage")
    op.drop_table("authentik_core_group_roles")
    op.drop_table("auth_permission")
    op.drop_index(
        op.f("django_postgres_cache_cacheentry_expires"), "django_postgres_cache_cacheentry"
    )

    op.drop_table("django_postgres_cache_cacheentry")
    op.drop_table("django_content_type")
    op.drop_table("authentik_rbac_role")
    op.drop_table("authentik_policies_policybindingmodel")
    op.drop_table("authentik_policies_policy")
    op.drop_table("authentik_flows_stage")
    op.drop_table("authentik_core_user")
    op.drop_table("authentik_core_group")
