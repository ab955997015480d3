"""The REST and GraphQL objects expected for the rows that a viewer may see."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from gql.diagram import mermaid
from gql.diagram.flow import Diagram
from gql.diagram.graph import EDGE_TYPES
from support.graphql_from_rest import FIELDS, graphql_flow
from support.rights_content import PLANNER
from support.rights_diagrams import expected_diagram
from support.rights_model import View
from support.rights_tables import (
    CACHE_ENTRIES,
    FLOWS,
    GROUPS,
    POLICIES,
    POLICY_TYPES,
    STAGE_TYPES,
    STAGES,
    TARGETS,
    USERS,
    Row,
)
from support.stored_values import global_id

Json = dict[str, Any]
Path = tuple[str | int, ...]
ConvertRow = Callable[[Row], Json]


class FieldError(NamedTuple):
    """A field that is null with an error."""

    code: str


FORBIDDEN = FieldError("FORBIDDEN")
UNKNOWN_ENUM_VALUE = FieldError("UNKNOWN_ENUM_VALUE")
ENUM_VALUES = {
    name: name.upper() for name in ("all", "any", "retry", "restart", "restart_with_context")
}

GRAPH_FIELDS = """{
  nodes { label model pk bindingPk bindingOrder } edges { label type } notice
}"""
WHOLE_FLOW = f"""fragment WholeFlow on Flow {{
  id {" ".join(FIELDS)} bindingsMayBeHidden diagram diagramGraph {GRAPH_FIELDS}
  stageBindings {{ ...WholeStageBinding }} policyBindings {{ ...WholePolicyBinding }}
}}"""
WHOLE_BINDINGS = """fragment WholeStageBinding on FlowStageBinding {
  id pk order evaluateOnPlan reEvaluatePolicies policyEngineMode invalidResponseAction
  bindingsMayBeHidden
  stage { id pk name type flows(first: 2) { slug } } flow { slug }
  policyBindings { ...WholePolicyBinding }
}
fragment WholePolicyBinding on PolicyBinding {
  id pk order enabled negate timeout failureResult
  policy { id pk name type executionLogging flows(first: 2) { slug } }
  group { pk name } user { pk name }
}"""
WHOLE_COMPONENTS = """
fragment WholeStage on Stage { id pk name type flows(first: 100) { ...FlowWithBindings } }
fragment WholePolicy on Policy {
  id pk name type executionLogging flows(first: 100) { ...FlowWithBindings }
}
fragment FlowWithBindings on Flow { slug stageBindings { pk } policyBindings { pk } }"""


def split_errors(value: object) -> tuple[Any, list[tuple[Path, str]]]:
    """Replace the errors in a value by null; return the data, and the path and code of each."""
    errors: list[tuple[Path, str]] = []
    return _replace_errors(value, (), errors), sorted(errors, key=repr)


def _replace_errors(value: object, path: Path, errors: list[tuple[Path, str]]) -> Any:
    match value:
        case FieldError(code):
            errors.append((path, code))
            return None
        case dict():
            items = cast(Json, value).items()
            return {key: _replace_errors(item, (*path, key), errors) for key, item in items}
        case list():
            items = enumerate(cast(list[Any], value))
            return [_replace_errors(item, (*path, index), errors) for index, item in items]
        case _:
            return value


def list_errors(body: Json) -> list[tuple[Path, str]]:
    """Return the path and the code of each error in a GraphQL response."""
    errors = body.get("errors", [])
    pairs = [(tuple(error.get("path", ())), error["extensions"]["code"]) for error in errors]
    return sorted(pairs, key=repr)


# REST ---------------------------------------------------------------------------------------------


def rest_flow(view: View, row: Row) -> Json:
    """Return a visible flow as the REST API of authentik 2026.8 serializes it."""
    pk = row["flow_uuid"]
    plans = [item for item in view.rows[CACHE_ENTRIES] if f"{PLANNER}{pk}" in item["cache_key"]]
    target = view.find(TARGETS, row["policybindingmodel_ptr_id"])
    return {
        "pk": pk,
        "policybindingmodel_ptr_id": row["policybindingmodel_ptr_id"],
        "name": row["name"],
        "slug": row["slug"],
        "title": row["title"],
        "designation": row["designation"],
        "background": row["background"],
        "background_url": row["background"],
        "background_themed_urls": None,
        "stages": view.list_stage_keys(row),
        "policies": view.list_policy_keys(row),
        "cache_count": len(plans),
        "policy_engine_mode": target["policy_engine_mode"],
        "compatibility_mode": row["compatibility_mode"],
        "export_url": f"/api/v3/flows/instances/{row['slug']}/export/",
        "layout": row["layout"],
        "denied_action": row["denied_action"],
        "authentication": row["authentication"],
    }


# GraphQL ------------------------------------------------------------------------------------------


def _graph(diagram: Diagram) -> Json:
    """Return the graph of a diagram, as GRAPH_FIELDS selects it."""
    nodes = [
        {
            "label": node.text,
            "model": node.bound.model or None,
            "pk": node.bound.pk or None,
            "bindingPk": node.bound.binding_pk or None,
            "bindingOrder": node.bound.binding_order,
        }
        for node in diagram.nodes
    ]
    edges = [
        {"label": edge.label or None, "type": EDGE_TYPES[edge.label].name} for edge in diagram.edges
    ]
    return {"nodes": nodes, "edges": edges, "notice": diagram.nodes[0].notice or None}


class Graph:
    """The GraphQL objects that a viewer sees, as the fragments select them."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._rights = view.rights

    def flow(self, row: Row) -> Json:
        """Return a visible flow, as WholeFlow selects it."""
        diagram = expected_diagram(self.view, row)
        return {
            "id": global_id("Flow", row["flow_uuid"]),
            **graphql_flow(rest_flow(self.view, row)),
            "bindingsMayBeHidden": self.view.may_hide_bindings,
            "diagram": mermaid.render(diagram),
            "diagramGraph": _graph(diagram),
            "stageBindings": self._stage_bindings(row, self.stage_binding),
            "policyBindings": self._policy_bindings(row, self.policy_binding),
        }

    def stage_binding(self, row: Row) -> Json:
        """Return a visible stage binding, as WholeStageBinding selects it."""
        action, stage = row["invalid_response_action"], row["stage_id"]
        flow = self.view.find(FLOWS, row["target_id"])
        target = self.view.find(TARGETS, row["policybindingmodel_ptr_id"])
        return {
            "id": global_id("FlowStageBinding", row["fsb_uuid"]),
            "pk": row["fsb_uuid"],
            "order": row["order"],
            "evaluateOnPlan": row["evaluate_on_plan"],
            "reEvaluatePolicies": row["re_evaluate_policies"],
            "policyEngineMode": ENUM_VALUES.get(target["policy_engine_mode"], UNKNOWN_ENUM_VALUE),
            "invalidResponseAction": ENUM_VALUES.get(action, UNKNOWN_ENUM_VALUE),
            "bindingsMayBeHidden": self.view.may_hide_policy_bindings,
            "stage": self._stage(stage) | {"flows": self._flows_of_stage(stage, slug_of, 2)},
            "flow": slug_of(flow),
            "policyBindings": self._policy_bindings(row, self.policy_binding),
        }

    def policy_binding(self, row: Row) -> Json:
        """Return a visible policy binding, as WholePolicyBinding selects it."""
        policy, group, user = row["policy_id"], row["group_id"], row["user_id"]
        return {
            "id": global_id("PolicyBinding", row["policy_binding_uuid"]),
            "pk": row["policy_binding_uuid"],
            "order": row["order"],
            "enabled": row["enabled"],
            "negate": row["negate"],
            "timeout": row["timeout"],
            "failureResult": row["failure_result"],
            "policy": self._bound_policy(policy) if policy else None,
            "group": {"pk": group, "name": self._name(GROUPS, group)} if group else None,
            "user": {"pk": user, "name": self._name(USERS, user)} if user else None,
        }

    def stage(self, pk: str) -> Json | None:
        """Return a stage that is looked up by its key, as WholeStage selects it."""
        if not (self._rights.holds("view_stage", pk) and self.view.list_flows_with_stage(pk)):
            return None
        return self._stage(pk) | {"flows": self._flows_of_stage(pk, self.flow_with_bindings, 100)}

    def policy(self, pk: str) -> Json | None:
        """Return a policy that is looked up by its key, as WholePolicy selects it."""
        if not (self._rights.holds("view_policy", pk) and self.view.list_flows_with_policy(pk)):
            return None
        flows = self._flows_of_policy(pk, self.flow_with_bindings, 100)
        return self._policy(pk) | {"flows": flows}

    def flow_with_bindings(self, row: Row) -> Json:
        """Return a visible flow, as FlowWithBindings selects it."""
        return {
            "slug": row["slug"],
            "stageBindings": self._stage_bindings(row, lambda item: {"pk": item["fsb_uuid"]}),
            "policyBindings": self._policy_bindings(
                row, lambda item: {"pk": item["policy_binding_uuid"]}
            ),
        }

    def _stage_bindings(self, flow: Row, convert: ConvertRow) -> object:
        if not self._rights.has_any("view_flowstagebinding"):
            return FORBIDDEN
        return list(map(convert, self.view.list_stage_bindings(flow)))

    def _policy_bindings(self, target: Row, convert: ConvertRow) -> object:
        if not self._rights.has_any("view_policybinding"):
            return FORBIDDEN
        return list(map(convert, self.view.list_policy_bindings(target)))

    def _stage(self, pk: str) -> Json:
        return {
            "id": global_id("Stage", pk),
            "pk": pk,
            "name": self._name(STAGES, pk),
            "type": self.view.find_model(STAGE_TYPES, pk),
        }

    def _policy(self, pk: str) -> Json:
        row = self.view.find(POLICIES, pk)
        is_visible = self._rights.holds("view_policy", pk)
        return {
            "id": global_id("Policy", pk),
            "pk": pk,
            "name": row["name"],
            "type": self.view.find_model(POLICY_TYPES, pk),
            "executionLogging": row["execution_logging"] if is_visible else FORBIDDEN,
        }

    def _bound_policy(self, pk: str) -> Json:
        return self._policy(pk) | {"flows": self._flows_of_policy(pk, slug_of, 2)}

    def _flows_of_stage(self, pk: str, convert: ConvertRow, first: int) -> object:
        if not self._rights.holds("view_stage", pk):
            return FORBIDDEN
        return list(map(convert, self.view.list_flows_with_stage(pk)[:first]))

    def _flows_of_policy(self, pk: str, convert: ConvertRow, first: int) -> object:
        if not self._rights.holds("view_policy", pk):
            return FORBIDDEN
        return list(map(convert, self.view.list_flows_with_policy(pk)[:first]))

    def _name(self, table: str, key: object) -> str:
        return self.view.find(table, key)["name"]


def slug_of(row: Row) -> Json:
    """Return the slug of a flow as an object."""
    return {"slug": row["slug"]}
