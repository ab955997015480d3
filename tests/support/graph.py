"""What GraphQL must say of a flow, told from what REST says of it."""

from collections.abc import Mapping
from typing import Any

from support.edge_case_data import AUTHENTICATIONS, DENIED_ACTIONS, DESIGNATIONS, LAYOUTS

# The fields of a flow, and REST's names for them in the 2026.8 dialect.
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
EVERY_FIELD = " ".join(FIELDS)
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
EVERY_PLACE = " ".join(PAGINATION)


def value(field: str, flow: Mapping[str, Any]) -> Any:
    """A field of a flow that REST tells in its 2026.8 dialect; None for an unknown enum value."""
    stored = flow[FIELDS[field]]
    if field not in ENUMS:
        return stored
    return stored.upper() if stored in ENUMS[field] else None


def told(flow: Mapping[str, Any]) -> dict[str, Any]:
    """The whole of such a flow."""
    return {field: value(field, flow) for field in FIELDS}


def place(pagination: Mapping[str, Any]) -> dict[str, Any]:
    """The whole of a page's place."""
    return {field: pagination[name] for field, name in PAGINATION.items()}


def unknown_enums(flow: Mapping[str, Any], *path: str | int) -> list[list[str | int]]:
    """The paths of the errors that such a flow brings, sorted."""
    return [[*path, field] for field in sorted(ENUMS) if value(field, flow) is None]
