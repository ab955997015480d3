"""Removal of everything that is hidden from a viewer, so that the viewer sees no difference.

The lists `stages` and `policies` of a visible flow show the stages and policies that hidden bindings
bind. Such a binding is not removed: a different one replaces it in the same position.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from support.edge_case_data import identifier
from support.rights_content import ACTIONS, PLANNER
from support.rights_model import View, sort_bindings
from support.rights_tables import (
    CACHE_ENTRIES,
    FLOWS,
    GROUPS,
    KEYS,
    POLICIES,
    POLICY_BINDINGS,
    POLICY_TYPES,
    STAGE_BINDINGS,
    STAGE_TYPES,
    STAGES,
    TARGETS,
    USERS,
    Row,
    Rows,
)


class _Component(NamedTuple):
    """The tables of stages or policies, their column in bindings, and the permission to view them."""

    table: str
    types: str
    column: str
    codename: str


STAGE = _Component(STAGES, STAGE_TYPES, "stage_id", "view_stage")
POLICY = _Component(POLICIES, POLICY_TYPES, "policy_id", "view_policy")


def censor(view: View) -> Rows:
    """Return the rows of the content without what is hidden from the viewer."""
    stage_bindings = list(_censor_stage_bindings(view))
    policy_bindings = list(_censor_policy_bindings(view))
    return {
        TARGETS: list(_censor_targets(view, stage_bindings)),
        FLOWS: view.flows,
        STAGE_BINDINGS: stage_bindings,
        POLICY_BINDINGS: policy_bindings,
        **_censor_components(view, STAGE, stage_bindings, view.stage_bindings),
        **_censor_components(view, POLICY, policy_bindings, view.policy_bindings),
        GROUPS: _rename_hidden(view, GROUPS, "group_id"),
        USERS: _rename_hidden(view, USERS, "user_id"),
        CACHE_ENTRIES: list(_censor_cache_entries(view)),
    }


# Bindings


def _censor_stage_bindings(view: View) -> Iterator[Row]:
    bindings = sort_bindings(view.rows[STAGE_BINDINGS], "fsb_uuid")
    visible = {row["fsb_uuid"] for row in view.stage_bindings}
    for flow in view.flows:
        rows = [row for row in bindings if row["target_id"] == flow["flow_uuid"]]
        yield from _replace_hidden(rows, "fsb_uuid", visible, _replace_stage_binding)


def _censor_policy_bindings(view: View) -> Iterator[Row]:
    """Yield the visible policy bindings, and replacements of those that leave a trace."""
    bindings = sort_bindings(view.rows[POLICY_BINDINGS], "policy_binding_uuid")
    visible = {row["policy_binding_uuid"] for row in view.policy_bindings}
    flows = {row["policybindingmodel_ptr_id"] for row in view.flows}
    for target in {row["target_id"]: None for row in bindings}:
        rows = [
            row
            for row in bindings
            if row["target_id"] == target
            and (row["policy_binding_uuid"] in visible or (target in flows and row["policy_id"]))
        ]
        yield from _replace_hidden(rows, "policy_binding_uuid", visible, _replace_policy_binding)


def _replace_hidden(
    rows: Sequence[Row], key: str, visible: Collection[str], replace: Callable[[Row], Row]
) -> Iterator[Row]:
    """Yield the bindings of one target, and others in the positions of the hidden ones.

    The orders of the content are equal or differ by more than 2.
    """
    for order, group in groupby(rows, lambda row: row["order"]):
        equal = list(group)
        shown = [index for index, row in enumerate(equal) if row[key] in visible]
        for index, row in enumerate(equal):
            if index in shown:
                yield row
            else:
                moved = {key: _next_uuid(row[key]), "order": order + _shift(index, shown)}
                yield replace(row) | moved


def _shift(index: int, shown: Sequence[int]) -> int:
    """Return the change of a hidden binding's order that keeps its position.

    `shown` are the positions of the visible bindings with the same order.
    """
    if not shown or index > shown[-1]:
        return 1
    return -1 if index < shown[0] else 0


def _next_uuid(key: str) -> str:
    return str(UUID(int=UUID(key).int + 1))


def _replace_stage_binding(row: Row) -> Row:
    action = ACTIONS.index(row["invalid_response_action"])
    return {
        **row,
        "policybindingmodel_ptr_id": identifier("replaced", row["policybindingmodel_ptr_id"]),
        "evaluate_on_plan": not row["evaluate_on_plan"],
        "re_evaluate_policies": not row["re_evaluate_policies"],
        "invalid_response_action": ACTIONS[action - 1],
    }


def _replace_policy_binding(row: Row) -> Row:
    return {
        **row,
        "enabled": not row["enabled"],
        "negate": not row["negate"],
        "timeout": row["timeout"] + 1,
        "failure_result": not row["failure_result"],
    }


# Other tables


def _censor_targets(view: View, stage_bindings: Sequence[Row]) -> Iterator[Row]:
    """Yield the policy targets of visible flows and of the remaining stage bindings."""
    modes = {row["pbm_uuid"]: row["policy_engine_mode"] for row in view.rows[TARGETS]}
    for row in (*view.flows, *stage_bindings):
        key = row["policybindingmodel_ptr_id"]
        yield {"pbm_uuid": key, "policy_engine_mode": modes.get(key, "any")}


def _censor_components(
    view: View, component: _Component, bindings: Sequence[Row], visible: Sequence[Row]
) -> Mapping[str, Sequence[Row]]:
    """Return the stages or policies that the remaining bindings bind, and their types.

    Those that the viewer may not name get another name and no type.
    """
    table, types, column, codename = component
    bound, shown = ({row[column] for row in rows} for rows in (bindings, visible))
    key = KEYS[table][0]
    held = {row[key] for row in view.rows[table] if view.holds(codename, row[key])}
    rows = [row for row in view.rows[table] if row[key] in bound]
    rows = [row if row[key] in held else _flip_logging(row) for row in rows]
    named = bound & (shown | held)
    return {
        table: [row if row[key] in named else _rename(row) for row in rows],
        types: [row for row in view.rows[types] if row["ptr_id"] in named],
    }


def _flip_logging(row: Row) -> Row:
    name = "execution_logging"
    return {**row, name: not row[name]} if name in row else row


def _rename(row: Row) -> Row:
    names = ("name", "username")
    return {**row, **{name: f"not {row[name]}" for name in names if name in row}}


def _rename_hidden(view: View, table: str, column: str) -> Sequence[Row]:
    """Return all groups or users; those that only hidden bindings bind get another name."""
    bound = {row[column] for row in view.rows[POLICY_BINDINGS]}
    hidden = bound - {row[column] for row in view.policy_bindings}
    key = KEYS[table][0]
    return [_rename(row) if row[key] in hidden else row for row in view.rows[table]]


def _censor_cache_entries(view: View) -> Iterator[Row]:
    """Yield the cached plans of visible flows."""
    prefixes = tuple(f"{PLANNER}{row['flow_uuid']}" for row in view.flows)
    yield from (row for row in view.rows[CACHE_ENTRIES] if row["cache_key"].startswith(prefixes))
