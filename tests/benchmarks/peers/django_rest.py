"""Django REST framework with authentik's kind of viewset, asked by nobody in particular.

It has what users of authentik have, less whatever costs time there: no middleware, no login, one
renderer, relations prefetched, cached plans counted by one statement a page where authentik asks its
cache once a flow, and connections that stay open. BENCHMARK_DATABASE names the database.
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

WHERE = conninfo_to_dict(os.environ["BENCHMARK_DATABASE"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": WHERE["dbname"],
            "HOST": WHERE["host"],
            "PORT": WHERE["port"],
            "USER": WHERE["user"],
            "PASSWORD": WHERE["password"],
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
    SECRET_KEY="nothing is signed",
    USE_I18N=False,
    USE_TZ=True,
)
django.setup()

# Django takes neither models nor views before it has its settings.
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
OF_POLICIES = PolicyBinding.objects.filter(policy_id__isnull=False)


class PlainFlowSerializer(FlowSerializer):
    """A flow as the API documents it, its picture in the one schema there is."""

    def get_background_url(self, flow: Flow) -> str:
        """Where a browser finds the picture."""
        if not flow.background:
            return "/static/dist/assets/images/flow_background.jpg"
        if flow.background.startswith(("http", "/static")):
            return flow.background
        return f"/media/public/{flow.background}"

    def get_cache_count(self, flow: Flow) -> int:
        """How many plans are cached, as the page found out."""
        return self.context["plans"][flow.flow_uuid]


class FlowViewSet(ReadOnlyModelViewSet[Flow]):
    """Flows, a page at a time."""

    queryset = Flow.objects.prefetch_related(
        Prefetch("stage_bindings", FlowStageBinding.objects.order_by("order", "fsb_uuid")),
        Prefetch("policy_bindings", OF_POLICIES.order_by("order", "policy_binding_uuid")),
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
        """The page, with its flows' cached plans counted."""
        page = cast("list[Flow]", super().paginate_queryset(queryset))
        with connection.cursor() as cursor:
            cursor.execute(PLAN_COUNTS, [[flow.flow_uuid for flow in page]])
            self._plans = dict(cursor.fetchall())
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        """What a flow is written with."""
        return {**super().get_serializer_context(), "plans": self._plans}


# The stubs leave the type of an action's own arguments open.
urlpatterns = [re_path(r"^flows/instances/$", FlowViewSet.as_view({"get": "list"}))]  # pyright: ignore[reportUnknownMemberType]
application = WSGIHandler()
