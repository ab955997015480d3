"""Conditions for `where`, and the visible flows that they match."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from support.folding import fold_by_contract
from support.rights_content import flow_pk, policy_pk, stage_pk
from support.rights_model import View
from support.rights_tables import POLICY_TYPES, STAGE_TYPES, Row

# A value of the input type FlowWhere.
Where = Mapping[str, Any]

RIGHTS_OF_COMPONENTS: Mapping[str, Sequence[str]] = {
    "stage": ("view_flowstagebinding", "view_stage"),
    "policy": ("view_policybinding", "view_policy"),
}
CONDITIONS: Sequence[Where] = (
    {},
    {"stage": None, "policy": None, "designation": {"equals": "AUTHORIZATION"}},
    {"stage": {}},
    {"policy": {}},
    {"not": {"stage": {}}},
    {"not": {"policy": {}}},
    {"stage": {"name": {"equals": "notice"}}},
    {"stage": {"type": {"contains": "prompt"}}},
    {"stage": {"type": {"endsWith": "stage"}}},
    {"stage": {"pk": {"in": [stage_pk("code"), stage_pk("unbound")]}}},
    {"policy": {"name": {"contains": "on-"}}},
    {"policy": {"name": {"containsInsensitive": "ON-"}}},
    {"policy": {"type": {"in": ["authentik_policies_dummy.dummypolicy"]}}},
    {"policy": {"pk": {"equals": policy_pk("on-flow")}}},
    {"not": {"stage": {"name": {"equals": "password"}}}},
    {"or": [{"stage": {"name": {"startsWith": "f"}}}, {"policy": {"name": {"equals": "on-both"}}}]},
    {"and": [{"policy": {"name": {"equals": "on-many"}}}, {"not": {"stage": {}}}]},
    {"or": [{"pk": {"in": [flow_pk("blank")]}}, {"not": {"or": [{"policy": {}}]}}]},
)


STAGE_CONDITIONS: Sequence[Where] = (
    {},
    {"name": {"contains": "o"}},
    {"type": {"startsWith": "authentik_stages_p"}},
    {"pk": {"in": [stage_pk("code"), stage_pk("unbound"), stage_pk("mail")]}, "name": None},
)
POLICY_CONDITIONS: Sequence[Where] = (
    {},
    {"name": {"equals": "on-many"}},
    {"type": {"in": ["authentik_policies_dummy.dummypolicy"]}, "name": {"startsWith": "on-"}},
    {"pk": {"equals": policy_pk("on-binding")}},
)


def is_permitted(where: Where, view: View) -> bool:
    """Return whether the viewer has the permissions that a condition requires."""
    return all(view.rights.has_any(*RIGHTS_OF_COMPONENTS[name]) for name in _components_in(where))


def _components_in(where: Where) -> Iterator[str]:
    for name, value in where.items():
        if name in RIGHTS_OF_COMPONENTS and value is not None:
            yield name
    for child in (*where.get("and", ()), *where.get("or", ())):
        yield from _components_in(child)
    if "not" in where:
        yield from _components_in(where["not"])


def matches(where: Where, view: View, flow: Row) -> bool:
    """Return whether a visible flow matches a condition."""
    return all(
        _matches_field(name, value, view, flow)
        for name, value in where.items()
        if value is not None
    )


def _matches_field(name: str, value: Any, view: View, flow: Row) -> bool:
    match name:
        case "and":
            return all(matches(child, view, flow) for child in value)
        case "or":
            return any(matches(child, view, flow) for child in value)
        case "not":
            return not matches(value, view, flow)
        case "stage" | "policy":
            return any(_matches_object(value, item) for item in _list_components(name, view, flow))
        case _:
            flow_values = {"pk": flow["flow_uuid"], "designation": flow["designation"].upper()}
            return _matches_object({name: value}, flow_values)


def _list_components(kind: str, view: View, flow: Row) -> Iterator[Mapping[str, object]]:
    """Return the values of the stages or policies of a flow that a condition can match."""
    is_stage = kind == "stage"
    rows = view.list_visible_stages(flow) if is_stage else view.list_visible_policies(flow)
    return (_component_values(kind, view, row) for row in rows)


def matches_component(where: Where, kind: str, view: View, row: Row) -> bool:
    """Return whether a stage or a policy matches a condition."""
    conditions = {name: value for name, value in where.items() if value is not None}
    return _matches_object(conditions, _component_values(kind, view, row))


def _component_values(kind: str, view: View, row: Row) -> Mapping[str, object]:
    pk = row[f"{kind}_uuid"]
    model = view.find_model(STAGE_TYPES if kind == "stage" else POLICY_TYPES, pk)
    return {"pk": pk, "name": row["name"], "type": model}


def _matches_object(where: Where, values: Mapping[str, object]) -> bool:
    return all(
        _compare(operator, values[name], operand)
        for name, comparison in where.items()
        for operator, operand in comparison.items()
    )


def _compare(operator: str, value: object, operand: Any) -> bool:
    # An unknown type matches nothing.
    return value is not None and OPERATORS[operator](str(value), operand)


OPERATORS: Mapping[str, Callable[[str, Any], bool]] = {
    "equals": str.__eq__,
    "in": lambda value, operands: value in operands,
    "contains": str.__contains__,
    "containsInsensitive": lambda value, part: fold_by_contract(part) in fold_by_contract(value),
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
