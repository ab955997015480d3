"""The dialects of the REST API, one for each generation of authentik: paths, fields, orderings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gql.generations import GENERATIONS, Generation, find_generation
from gql.resolvers import urls
from gql.resolvers.urls import API_PATH, FLOWS_PATH
from gql.rest.serializer import Field, Serializer
from models.queries.flows import ORDERING_FIELDS


@dataclass(frozen=True, slots=True)
class Dialect:
    """A generation of authentik's API below `base_path`.

    `orderings` are the names that `ordering` accepts; `extra` are the keys of a list's response
    after `pagination` and `results`.
    """

    generation: Generation
    orderings: frozenset[str]
    flow: Serializer
    extra: Mapping[str, Any]
    base_path: str = ""

    @property
    def flows_path(self) -> str:
        """The path of the list of flows."""
        return f"{self.base_path}{FLOWS_PATH}"

    @property
    def openapi_path(self) -> str:
        """The path of the OpenAPI document."""
        return f"{self.base_path}/schema/"


def _build_versioned_path(generation: Generation) -> str:
    return f"/{generation.name}{API_PATH}"


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
            "export_url": Field("slug", urls.export_url, "root_path"),
            **_build_fields("layout", "denied_action", "authentication"),
        }
    )


BACKGROUND_URL = Field("background", urls.background_url)
BACKGROUND_FIELDS = {"background": Field("background"), "background_url": BACKGROUND_URL}
AUTOCOMPLETE: Mapping[str, Any] = {"autocomplete": {}}

# The documented API. authentik serves it below /api/v3 too; its documentation leaves that out.
DOCUMENTED = Dialect(
    generation=GENERATIONS[0],
    orderings=frozenset(ORDERING_FIELDS) - {"background"},
    flow=_build_flow_serializer({"background": BACKGROUND_URL}),
    extra={},
)
WITH_AUTOCOMPLETE = replace(DOCUMENTED, generation=GENERATIONS[1], extra=AUTOCOMPLETE)
WITH_BACKGROUND_URL = Dialect(
    generation=GENERATIONS[2],
    orderings=frozenset(ORDERING_FIELDS),
    flow=_build_flow_serializer(BACKGROUND_FIELDS),
    extra=AUTOCOMPLETE,
)
# The API that the generated clients of authentik 2026.8 read.
CURRENT = replace(
    WITH_BACKGROUND_URL,
    generation=GENERATIONS[3],
    base_path=API_PATH,
    flow=_build_flow_serializer(
        {
            **BACKGROUND_FIELDS,
            "background_themed_urls": Field("background", urls.background_themed_urls),
        }
    ),
)
DIALECTS = (DOCUMENTED, WITH_AUTOCOMPLETE, WITH_BACKGROUND_URL, CURRENT)


def build_dialects(version: str) -> Sequence[Dialect]:
    """Return the dialects of a server with their paths.

    /api/v3 has the dialect of this version of authentik. Each dialect is also below the name of its
    generation, so that clients can choose it, and the documented one is at the root.
    """
    generation = find_generation(version)
    default = next(dialect for dialect in DIALECTS if dialect.generation == generation)
    return (
        DOCUMENTED,
        replace(default, base_path=API_PATH),
        *(
            replace(dialect, base_path=_build_versioned_path(dialect.generation))
            for dialect in DIALECTS
        ),
    )
