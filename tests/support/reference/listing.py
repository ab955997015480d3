"""What narrows, orders and cuts the list."""

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
    """The exact matches."""

    class Meta:
        """Errors are reported in the order of these fields."""

        model = Flow
        fields: ClassVar[list[str]] = [
            "flow_uuid",
            "name",
            "slug",
            "designation",
            "denied_action",
        ]


class SearchableFilter(BaseFilterBackend):
    """Refuses a search that cannot be one, before anything else is judged."""

    def filter_queryset(
        self,
        request: Request,
        queryset: QuerySet[Any],
        view: APIView,  # noqa: ARG002 - Django REST framework passes it
    ) -> QuerySet[Any]:
        """Return all, or raise what the search itself would."""
        SearchFilter().get_search_terms(request)
        return queryset


class UnambiguousOrderingFilter(OrderingFilter):
    """Orders ties by slug, so that pages neither overlap nor leave a gap."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        """Return all, in one possible order."""
        ordered = super().filter_queryset(request, queryset, view)
        return ordered.order_by(*ordered.query.order_by, "slug")


class NumberedPagination(PageNumberPagination):
    """Pages by number, told about in a `pagination` object."""

    page_size = 20
    max_page_size = 100
    page_size_query_param = "page_size"

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page, with its place in the whole before it."""
        return Response({"pagination": _place(cast("Page[Flow]", self.page)), "results": data})


class AutocompletePagination(NumberedPagination):
    """Adds what newer clients read, though a list of flows has nothing to say there."""

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with an empty `autocomplete` after it."""
        response = super().get_paginated_response(data)
        response.data["autocomplete"] = {}
        return response


def _place(page: Page[Flow]) -> dict[str, int]:
    return {
        "next": page.next_page_number() if page.has_next() else 0,
        "previous": page.previous_page_number() if page.has_previous() else 0,
        "count": page.paginator.count,
        "current": page.number,
        "total_pages": page.paginator.num_pages,
        "start_index": page.start_index(),
        "end_index": page.end_index(),
    }
