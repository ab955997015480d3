"""The dialects of the REST API, one for each generation of authentik: paths, fields, orderings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gql.resolvers import urls
from gql.rest.serializer import Field, Serializer
from models.queries.flows import ORDERING_FIELDS


@dataclass(frozen=True, slots=True)
class Dialect:
    """A generation of authentik's API.

    `orderings` are the names that `ordering` accepts; `extra` are the keys of a list's response
    after `pagination` and `results`.
    """

    base_path: str
    orderings: frozenset[str]
    flow: Serializer
    extra: Mapping[str, Any]

    @property
    def flows_path(self) -> str:
        """The path of the list of flows."""
        return f"{self.base_path}/flows/instances/"

    @property
    def openapi_path(self) -> str:
        """The path of the OpenAPI document."""
        return f"{self.base_path}/schema/"


def _build_fields(*names: str) -> Mapping[str, Field]:
    """Return fields that have the names of their columns."""
    return {name: Field(name) for name in names}


def _build_flow_serializer(backgrounds: Mapping[str, Field]) -> Serializer:
    """Return the serializer of flows with these fields for the background."""
    return Serializer(
        {
            **_build_fields(
                "pk", "policybindingmodel_ptr_id", "name", "slug", "title", "designation"
            ),
            **backgrounds,
            **_build_fields("stages", "policies", "cache_count"),
            **_build_fields("policy_engine_mode", "compatibility_mode"),
            "export_url": Field("slug", _build_export_url),
            **_build_fields("layout", "denied_action", "authentication"),
        }
    )


def _build_export_url(slug: str, _schema: str) -> str:
    return urls.export_url(slug)


BACKGROUND_URL = Field("background", urls.background_url)

# The documented API, from authentik 2024.2 to 2025.6.
DOCUMENTED = Dialect(
    base_path="",
    orderings=frozenset(ORDERING_FIELDS) - {"background"},
    flow=_build_flow_serializer({"background": BACKGROUND_URL}),
    extra={},
)
# authentik 2026.8, which the generated clients read.
CURRENT = Dialect(
    base_path="/api/v3",
    orderings=frozenset(ORDERING_FIELDS),
    flow=_build_flow_serializer(
        {
            "background": Field("background"),
            "background_url": BACKGROUND_URL,
            "background_themed_urls": Field("background", urls.background_themed_urls),
        }
    ),
    extra={"autocomplete": {}},
)
DIALECTS = (DOCUMENTED, CURRENT)
