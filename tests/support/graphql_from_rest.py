"""The GraphQL fields of a flow and of a page's position, computed from REST responses."""

from collections.abc import Mapping
from typing import Any

from support.edge_case_data import AUTHENTICATIONS, DENIED_ACTIONS, DESIGNATIONS, LAYOUTS

# The REST names of a flow's fields, in the 2026.8 dialect.
FIELDS: Mapping[str, str] = {
    "pk": "pk",
    "policybindingmodelPtrId": "policybindingmodel_ptr_id",
    "name": "name",
    "slug": "slug",
    "title": "title",
    "designation": "designation",
    "background": "background_url",
    "stages": "stages",
    "policies": "policies",
    "cacheCount": "cache_count",
    "policyEngineMode": "policy_engine_mode",
    "compatibilityMode": "compatibility_mode",
    "exportUrl": "export_url",
    "layout": "layout",
    "deniedAction": "denied_action",
    "authentication": "authentication",
}
EVERY_FLOW_FIELD = " ".join(FIELDS)
ENUMS: Mapping[str, tuple[str, ...]] = {
    "designation": DESIGNATIONS,
    "policyEngineMode": ("all", "any"),
    "layout": LAYOUTS,
    "deniedAction": DENIED_ACTIONS,
    "authentication": AUTHENTICATIONS,
}
PAGINATION: Mapping[str, str] = {
    "next": "next",
    "previous": "previous",
    "count": "count",
    "current": "current",
    "totalPages": "total_pages",
    "startIndex": "start_index",
    "endIndex": "end_index",
}
EVERY_PAGINATION_FIELD = " ".join(PAGINATION)


def graphql_value(field: str, flow: Mapping[str, Any]) -> Any:
    """Return a field of a REST flow as GraphQL serializes it; None for an unknown enum value."""
    rest_value = flow[FIELDS[field]]
    if field not in ENUMS:
        return rest_value
    return rest_value.upper() if rest_value in ENUMS[field] else None


def graphql_flow(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields of a REST flow as GraphQL serializes them."""
    return {field: graphql_value(field, flow) for field in FIELDS}


def graphql_pagination(pagination: Mapping[str, Any]) -> dict[str, Any]:
    """Return a REST pagination object as GraphQL serializes it."""
    return {field: pagination[name] for field, name in PAGINATION.items()}


def unknown_enum_paths(flow: Mapping[str, Any], *path: str | int) -> list[list[str | int]]:
    """Return the sorted paths of the errors that a REST flow causes; `path` leads to the flow."""
    return [[*path, field] for field in sorted(ENUMS) if graphql_value(field, flow) is None]
