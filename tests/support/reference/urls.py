"""The routes of all dialects."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, re_path

from support.reference.listing import ORDERING_FIELDS, AutocompletePagination
from support.reference.serializers import BackgroundUrlFlowSerializer, ThemedFlowSerializer
from support.reference.views import AnyAcceptNegotiation, FlowViewSet

SLUG = "(?P<slug>[-a-zA-Z0-9_]+)"


def _build_view(method: str, **initial: Any) -> Callable[..., HttpResponseBase]:
    # The stubs do not declare the types of an action's arguments.
    return FlowViewSet.as_view({"get": method}, **initial)  # pyright: ignore[reportUnknownMemberType]


def _build_patterns(prefix: str, **dialect: Any) -> list[URLPattern]:
    flows = _build_view("list", suffix="List", detail=False, **dialect)
    flow = _build_view("retrieve", suffix="Instance", detail=True, **dialect)
    export = _build_view(
        "export",
        name="Export",
        description="Export flow to .yaml file",
        detail=True,
        content_negotiation_class=AnyAcceptNegotiation,
        **dialect,
    )
    return [
        re_path(rf"^{prefix}flows/instances/$", flows),
        re_path(rf"^{prefix}flows/instances/{SLUG}/$", flow),
        re_path(rf"^{prefix}flows/instances/{SLUG}/export/$", export),
    ]


DOCUMENTED: Mapping[str, Any] = {}
WITH_AUTOCOMPLETE = {"pagination_class": AutocompletePagination}
WITH_BACKGROUND_URL = {
    **WITH_AUTOCOMPLETE,
    "serializer_class": BackgroundUrlFlowSerializer,
    "ordering_fields": (*ORDERING_FIELDS, "background"),
}
CURRENT = {**WITH_BACKGROUND_URL, "serializer_class": ThemedFlowSerializer}
DIALECTS = {
    "": DOCUMENTED,
    "api/v3/": CURRENT,
    "2025.6/api/v3/": DOCUMENTED,
    "2025.10/api/v3/": WITH_AUTOCOMPLETE,
    "2025.12.0/api/v3/": WITH_BACKGROUND_URL,
    "2026.8/api/v3/": CURRENT,
}
urlpatterns = [
    pattern
    for prefix, dialect in DIALECTS.items()
    for pattern in _build_patterns(re.escape(prefix), **dialect)
]
handler404 = "support.reference.views.not_found"
