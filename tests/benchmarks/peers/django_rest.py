"""Django REST framework with authentik's viewset of flows and without authentication.

This is authentik's API without its slow parts: there is no middleware and one renderer, relations are
prefetched, one statement per page counts the cached plans where authentik reads its cache once per flow,
and connections stay open. BENCHMARK_DATABASE is the URL of the database.
"""

import os
from typing import Any, ClassVar, cast

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.db.models import Prefetch, QuerySet
from django.urls import re_path
from psycopg.conninfo import conninfo_to_dict

CONNECTION = conninfo_to_dict(os.environ["BENCHMARK_DATABASE"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": CONNECTION["dbname"],
            "HOST": CONNECTION["host"],
            "PORT": CONNECTION["port"],
            "USER": CONNECTION["user"],
            "PASSWORD": CONNECTION["password"],
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=["rest_framework", "django_filters", "support.reference"],
    MIDDLEWARE=[],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY="unused",
    USE_I18N=False,
    USE_TZ=True,
)
django.setup()

# Django's models and views can be imported only after its settings.
from django_filters.rest_framework import DjangoFilterBackend  # noqa: E402
from rest_framework.filters import SearchFilter  # noqa: E402
from rest_framework.viewsets import ReadOnlyModelViewSet  # noqa: E402

from support.reference.listing import (  # noqa: E402
    ORDERING_FIELDS,
    FlowFilterSet,
    NumberedPagination,
    UnambiguousOrderingFilter,
)
from support.reference.models import Flow, FlowStageBinding, PolicyBinding  # noqa: E402
from support.reference.serializers import FlowSerializer  # noqa: E402

PLAN_COUNTS = """
    SELECT flow, (
        SELECT count(*) FROM django_postgres_cache_cacheentry
        WHERE cache_key >= 'public::1:goauthentik.io/flows/planner/' || flow
        AND cache_key < 'public::1:goauthentik.io/flows/planner/' || flow || chr(1114111)
    ) FROM unnest(%s::uuid[]) AS flow
"""
POLICY_BINDINGS = PolicyBinding.objects.filter(policy_id__isnull=False)


class PlainFlowSerializer(FlowSerializer):
    """A flow of the documented API, with backgrounds in the only tenant's folder."""

    def get_background_url(self, flow: Flow) -> str:
        """Return the URL of the background image."""
        if not flow.background:
            return "/static/dist/assets/images/flow_background.jpg"
        if flow.background.startswith(("http", "/static")):
            return flow.background
        return f"/media/public/{flow.background}"

    def get_cache_count(self, flow: Flow) -> int:
        """Return the number of cached plans, which the page has counted."""
        return self.context["plans"][flow.flow_uuid]


class FlowViewSet(ReadOnlyModelViewSet[Flow]):
    """The pages of flows."""

    queryset = Flow.objects.prefetch_related(
        Prefetch("stage_bindings", FlowStageBinding.objects.order_by("order", "fsb_uuid")),
        Prefetch("policy_bindings", POLICY_BINDINGS.order_by("order", "policy_binding_uuid")),
    )
    serializer_class = PlainFlowSerializer
    pagination_class = NumberedPagination
    lookup_field = "slug"
    filter_backends = (DjangoFilterBackend, SearchFilter, UnambiguousOrderingFilter)
    filterset_class = FlowFilterSet
    search_fields: ClassVar = ["name", "slug", "designation", "title", "denied_action"]
    ordering_fields: ClassVar = ORDERING_FIELDS
    ordering: ClassVar = ["slug", "name"]

    def paginate_queryset(self, queryset: QuerySet[Flow] | Any) -> Any:
        """Return the page and count the cached plans of its flows."""
        page = cast("list[Flow]", super().paginate_queryset(queryset))
        with connection.cursor() as cursor:
            cursor.execute(PLAN_COUNTS, [[flow.flow_uuid for flow in page]])
            self._plans = dict(cursor.fetchall())
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        """Return the context with the counts of cached plans."""
        return {**super().get_serializer_context(), "plans": self._plans}


# The stubs do not declare the types of an action's arguments.
urlpatterns = [re_path(r"^flows/instances/$", FlowViewSet.as_view({"get": "list"}))]  # pyright: ignore[reportUnknownMemberType]
application = WSGIHandler()
