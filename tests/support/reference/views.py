"""The endpoint itself."""

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

_OF_POLICIES = PolicyBinding.objects.filter(policy_id__isnull=False)


class FlowViewSet(ReadOnlyModelViewSet[Flow]):
    """Flow Viewset"""  # noqa: D400 - OPTIONS shows it as authentik's does

    queryset = Flow.objects.prefetch_related(
        Prefetch("stage_bindings", FlowStageBinding.objects.order_by("order", "fsb_uuid")),
        Prefetch("policy_bindings", _OF_POLICIES.order_by("order", "policy_binding_uuid")),
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
        """Return what a flow is written with, such as the plan keys, read once for all."""
        return {**super().get_serializer_context(), "plan_keys": plan_keys()}

    def export(self, request: Request, slug: str) -> HttpResponse:  # noqa: ARG002 - by name
        """Return the attachment, in whose place there is a comment: no test compares it here."""
        flow = self.get_object()
        disposition = f'attachment; filename="{flow.slug}.yaml"'
        headers = {"Content-Disposition": disposition}
        return HttpResponse(f"# {flow.slug}\n", headers=headers)


class AnyAcceptNegotiation(DefaultContentNegotiation):
    """Judges `format=` as ever, and leaves `Accept` alone."""

    def select_renderer(
        self,
        request: Request,
        renderers: Any,
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return JSON, which only errors are written in."""
        wanted = format_suffix or request.query_params.get("format")
        if wanted:
            self.filter_renderers(renderers, wanted)
        return JSONRenderer(), JSONRenderer.media_type


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django
    """Answer for a path that nothing is at."""
    body = b'{"detail":"Not found."}'
    return HttpResponse(body, status=404, content_type="application/json")
