"""Serializers of flows, one for each dialect."""

from typing import ClassVar
from uuid import UUID

from django.db import ProgrammingError
from rest_framework.serializers import ModelSerializer, ReadOnlyField, SerializerMethodField

from support.reference import tenant
from support.reference.models import CacheEntry, Flow

NO_BACKGROUND = "/static/dist/assets/images/flow_background.jpg"
FIRST_FIELDS = (
    "pk",
    "policybindingmodel_ptr_id",
    "name",
    "slug",
    "title",
    "designation",
    "background",
)
LAST_FIELDS = (
    "stages",
    "policies",
    "cache_count",
    "policy_engine_mode",
    "compatibility_mode",
    "export_url",
    "layout",
    "denied_action",
    "authentication",
)


class FlowSerializer(ModelSerializer[Flow]):
    """A flow in the documented dialect."""

    pk = ReadOnlyField(source="flow_uuid")
    policybindingmodel_ptr_id = ReadOnlyField()
    background = SerializerMethodField(method_name="get_background_url")
    stages = SerializerMethodField()
    policies = SerializerMethodField()
    cache_count = SerializerMethodField()
    export_url = SerializerMethodField()

    # The stubs declare ModelSerializer.Meta, which does not exist at run time.
    class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The fields in the order of the response."""

        model = Flow
        fields: ClassVar[tuple[str, ...]] = (*FIRST_FIELDS, *LAST_FIELDS)

    def get_background_url(self, flow: Flow) -> str:
        """Return the URL of the background image."""
        if not flow.background:
            return NO_BACKGROUND
        if flow.background.startswith(("http", "/static")):
            return flow.background
        return f"/media/{tenant.current.get().schema}/{flow.background}"

    def get_stages(self, flow: Flow) -> list[UUID]:
        """Return the stages of all bindings, with repetitions."""
        return [binding.stage_id for binding in flow.stage_bindings.all()]

    def get_policies(self, flow: Flow) -> list[UUID | None]:
        """Return the policies of all bindings."""
        return [binding.policy_id for binding in flow.policy_bindings.all()]

    def get_cache_count(self, flow: Flow) -> int:
        """Return the number of cached plans."""
        prefix = f"{plan_prefix()}{flow.flow_uuid}"
        return sum(key.startswith(prefix) for key in self.context["plan_keys"])

    def get_export_url(self, flow: Flow) -> str:
        """Return the path that exports the flow as a blueprint."""
        return f"/api/v3/flows/instances/{flow.slug}/export/"


class BackgroundUrlFlowSerializer(FlowSerializer):
    """A flow in the dialect of authentik 2025.12.0, with the stored background and its URL."""

    background = ReadOnlyField()
    background_url = SerializerMethodField()

    class Meta(FlowSerializer.Meta):
        """The fields, with one more for the background."""

        fields: ClassVar[tuple[str, ...]] = (*FIRST_FIELDS, "background_url", *LAST_FIELDS)


class ThemedFlowSerializer(BackgroundUrlFlowSerializer):
    """A flow in the dialect of authentik 2026.8, with the URLs for each theme."""

    background_themed_urls = SerializerMethodField()

    class Meta(BackgroundUrlFlowSerializer.Meta):
        """The fields, with two more for the background."""

        fields: ClassVar[tuple[str, ...]] = (
            *FIRST_FIELDS,
            "background_url",
            "background_themed_urls",
            *LAST_FIELDS,
        )

    def get_background_themed_urls(self, flow: Flow) -> dict[str, str] | None:
        """Return the URLs for each theme, or None if all themes have the same image."""
        if "%(theme)s" not in flow.background:
            return None
        url = self.get_background_url(flow)
        return {theme: url.replace("%(theme)s", theme) for theme in ("light", "dark")}


def plan_prefix() -> str:
    """Return the prefix of the keys of the tenant's cached plans."""
    return f"{tenant.current.get().schema}::1:goauthentik.io/flows/planner/"


def plan_keys() -> list[str]:
    """Return the keys of all cached plans. Older versions of authentik have no such table."""
    keys = CacheEntry.objects.filter(cache_key__startswith=plan_prefix())
    try:
        return list(keys.values_list("cache_key", flat=True))
    except ProgrammingError:
        return []
