"""Create indexes that sort flows, and covering indexes for their bindings."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FLOW = "authentik_flows_flow"
SORTED_BY = (
    "name",
    "title",
    "designation",
    "background",
    "compatibility_mode",
    "layout",
    "denied_action",
    "authentication",
)
COVERING = {
    "flowql_stages_of_flow": (
        "authentik_flows_flowstagebinding",
        ["target_id", "order", "fsb_uuid", "stage_id"],
    ),
    "flowql_policies_of_target": (
        "authentik_policies_policybinding",
        ["target_id", "order", "policy_binding_uuid", "policy_id"],
    ),
    "flowql_mode_of_target": (
        "authentik_policies_policybindingmodel",
        ["pbm_uuid", "policy_engine_mode"],
    ),
}


def upgrade() -> None:
    """Apply the migration."""
    for column in SORTED_BY:
        op.create_index(f"flowql_flow_by_{column}", FLOW, [column, "slug"])
    for name, (table, columns) in COVERING.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Revert the migration."""
    for name, (table, _) in COVERING.items():
        op.drop_index(name, table)
    for column in SORTED_BY:
        op.drop_index(f"flowql_flow_by_{column}", FLOW)
