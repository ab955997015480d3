"""Filters, ordering and pagination of the list of flows."""

from typing import Any, ClassVar, cast

from django.core.paginator import Page
from django.db.models import QuerySet
from django_filters.rest_framework import FilterSet
from rest_framework.filters import BaseFilterBackend, OrderingFilter, SearchFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from support.reference.models import Flow

ORDERING_FIELDS = (
    "pk",
    "policybindingmodel_ptr_id",
    "name",
    "slug",
    "title",
    "designation",
    "policy_engine_mode",
    "compatibility_mode",
    "layout",
    "denied_action",
    "authentication",
)


class FlowFilterSet(FilterSet):
    """The filters for exact matches."""

    class Meta:
        """The fields, in the order of their error messages."""

        model = Flow
        fields: ClassVar[list[str]] = [
            "flow_uuid",
            "name",
            "slug",
            "designation",
            "denied_action",
        ]


class SearchableFilter(BaseFilterBackend):
    """A filter backend that validates the search before the permissions are checked."""

    def filter_queryset(
        self,
        request: Request,
        queryset: QuerySet[Any],
        view: APIView,  # noqa: ARG002 - interface
    ) -> QuerySet[Any]:
        """Return all flows. Raises ValidationError if the search is invalid."""
        SearchFilter().get_search_terms(request)
        return queryset


class UnambiguousOrderingFilter(OrderingFilter):
    """An ordering that sorts ties by slug, because pages must not overlap."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        """Return all flows in a total order."""
        ordered = super().filter_queryset(request, queryset, view)
        return ordered.order_by(*ordered.query.order_by, "slug")


class NumberedPagination(PageNumberPagination):
    """Pages by number, described in a `pagination` object."""

    page_size = 20
    max_page_size = 100
    page_size_query_param = "page_size"

    def get_paginated_response(self, data: Any) -> Response:
        """Return the response with the page's position and its flows."""
        return Response(
            {"pagination": _build_pagination(cast("Page[Flow]", self.page)), "results": data}
        )


class AutocompletePagination(NumberedPagination):
    """The pagination of authentik 2026.8, which has an `autocomplete` object."""

    def get_paginated_response(self, data: Any) -> Response:
        """Return the response with an empty `autocomplete`."""
        response = super().get_paginated_response(data)
        response.data["autocomplete"] = {}
        return response


def _build_pagination(page: Page[Flow]) -> dict[str, int]:
    return {
        "next": page.next_page_number() if page.has_next() else 0,
        "previous": page.previous_page_number() if page.has_previous() else 0,
        "count": page.paginator.count,
        "current": page.number,
        "total_pages": page.paginator.num_pages,
        "start_index": page.start_index(),
        "end_index": page.end_index(),
    }
