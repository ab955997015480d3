"""Where the two dialects are mounted."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, re_path

from support.reference.listing import ORDERING_FIELDS, AutocompletePagination
from support.reference.serializers import ThemedFlowSerializer
from support.reference.views import AnyAcceptNegotiation, FlowViewSet

SLUG = "(?P<slug>[-a-zA-Z0-9_]+)"


def _view(method: str, **initial: Any) -> Callable[..., HttpResponseBase]:
    # The stubs leave the type of an action's own arguments open.
    return FlowViewSet.as_view({"get": method}, **initial)  # pyright: ignore[reportUnknownMemberType]


def _mounted(prefix: str, **dialect: Any) -> list[URLPattern]:
    flows = _view("list", suffix="List", detail=False, **dialect)
    flow = _view("retrieve", suffix="Instance", detail=True, **dialect)
    export = _view(
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
    *_mounted(""),
    *_mounted(
        "api/v3/",
        serializer_class=ThemedFlowSerializer,
        pagination_class=AutocompletePagination,
        ordering_fields=(*ORDERING_FIELDS, "background"),
    ),
]
handler404 = "support.reference.views.not_found"
