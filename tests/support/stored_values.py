"""Strings, UUIDs and node IDs that are stored in the edge-case data."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import cache

from support.edge_case_data import ROWS, UNKNOWN_ACTIONS, UNKNOWN_ENGINE_MODES, UNKNOWN_ENUMS, Row

# The flows with values that are unknown to the schema, weighted by the number of such values.
UNKNOWN_VALUE_FLOWS = [
    *UNKNOWN_ENGINE_MODES,
    *(number for number, row in UNKNOWN_ENUMS.items() for _ in range(len(row) ** 2)),
]
# The stage bindings with such values.
UNKNOWN_VALUE_BINDINGS = sorted({*UNKNOWN_ACTIONS, *UNKNOWN_ENGINE_MODES})
WORDS = ("a", "flow", "Message", '"hello world"', "recovery continue", "no such thing", "🚀", "ß")


@cache
def _stored_rows(owner: str) -> Sequence[Row]:
    """Return the rows of the table that a field is named after, or all rows if there is none.

    Rows with unknown values are repeated, so they are chosen more often.
    """
    table = "_" + owner.removesuffix("s")
    rows = [row for name, rows in ROWS.items() if name.endswith(table) for row in rows]
    if table == "_flow":
        rows += [rows[number] for number in UNKNOWN_VALUE_FLOWS] * 14
        bindings = ROWS["authentik_flows_flowstagebinding"]
        flows = {bindings[number]["target_id"] for number in UNKNOWN_VALUE_BINDINGS}
        rows += [row for row in rows if row["flow_uuid"] in flows] * 40
    return rows or [row for rows in ROWS.values() for row in rows]


@cache
def stored_texts(owner: str, name: str) -> Sequence[str]:
    """Return stored strings for an argument, or some words if it is not named after a column."""
    return [str(row[name]) for row in _stored_rows(owner) if name in row] or WORDS


@cache
def stored_uuids(owner: str) -> Sequence[str]:
    """Return stored UUIDs for an argument of a field."""
    key = f"{owner.removesuffix('s')}_uuid"
    rows = _stored_rows(owner)
    uuids = [str(row[key]) for row in rows if key in row]
    return uuids or [str(next(iter(row.values()))) for row in rows]


@cache
def stored_ids() -> Sequence[str]:
    """Return the IDs of stored nodes; bindings are repeated because few other fields reach them."""
    flows, stages, policies = (stored_uuids(owner) for owner in ("flow", "stage", "policy"))
    bindings = ROWS["authentik_flows_flowstagebinding"]
    unknown = [bindings[number]["fsb_uuid"] for number in UNKNOWN_VALUE_BINDINGS]
    policy_bindings = [
        row["policy_binding_uuid"] for row in ROWS["authentik_policies_policybinding"]
    ]
    return [
        *(global_id("Flow", pk) for pk in flows[::5]),
        *(global_id("Stage", pk) for pk in stages[:20]),
        *(global_id("Policy", pk) for pk in policies[:20]),
        *(global_id("FlowStageBinding", row["fsb_uuid"]) for row in bindings[:40]),
        *(global_id("FlowStageBinding", pk) for pk in unknown * 20),
        *(
            global_id("PolicyBinding", pk)
            for pk in policy_bindings * (1 + 120 // len(policy_bindings))
        ),
    ]


def global_id(type_: str, pk: object) -> str:
    """Return the ID of a node."""
    return urlsafe_b64encode(f"{type_}:{pk}".encode()).decode()
