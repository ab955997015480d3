"""The routes of both dialects."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, re_path

from support.reference.listing import ORDERING_FIELDS, AutocompletePagination
from support.reference.serializers import ThemedFlowSerializer
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


urlpatterns = [
    *_build_patterns(""),
    *_build_patterns(
        "api/v3/",
        serializer_class=ThemedFlowSerializer,
        pagination_class=AutocompletePagination,
        ordering_fields=(*ORDERING_FIELDS, "background"),
    ),
]
handler404 = "support.reference.views.not_found"
