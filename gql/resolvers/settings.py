"""The settings of stages and policies."""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

from gql.errors import MissingPermissionError
from models.authentik.secrets import mask_settings
from models.database import Session
from models.queries.components import Component
from models.queries.rights import Access
from models.queries.settings import ComponentSettings
from models.queries.viewer import Viewer

# The settings of many stages and policies are equal to those in earlier responses.
CACHED_SETTINGS = 4_000
MAX_CACHED_LENGTH = 8_000
COORDINATES = {Component.STAGE: "Stage.settings", Component.POLICY: "Policy.settings"}


class StoredSettings(NamedTuple):
    """The settings of a component as stored; None if the viewer may not view those of its model."""

    model: str
    json: str | None


async def render_settings(
    component: Component, session: Session, viewer: Viewer, pks: Sequence[str]
) -> Sequence[str | MissingPermissionError | None]:
    """Return the settings of visible components as JSON texts, in one statement.

    The item of a component of unknown type is None. That of a type whose settings the viewer may not
    view is an error.
    """
    access = viewer.rights.view_settings
    stored = await read_settings(component, session, viewer, pks, access)
    return [_render(component, stored.get(pk)) for pk in pks]


async def read_settings(
    component: Component, session: Session, viewer: Viewer, pks: Sequence[str], access: Access
) -> dict[str, StoredSettings]:
    """Return the settings of components by primary key, without those of unknown type."""
    is_own = session.is_flowql
    tables = None if is_own else session.catalog.settings_tables(component.value)
    if not pks or tables == ():
        return {}
    query = ComponentSettings(component, tables, access)
    rows = await session.read(query, {**viewer.parameters, "pks": pks})
    # Of a component in several child tables, `type` is the first model.
    return {
        pk: StoredSettings(model, text)
        for pk, model, _, text in sorted(rows, reverse=True, key=_by_model)
    }


def parse_settings(stored: StoredSettings) -> dict[str, Any]:
    """Return settings with sorted keys and without secrets."""
    return mask_settings(stored.model, _sort_keys(json.loads(stored.json or "{}")))


def find_unreadable_settings(session: Session, component: Component) -> Iterator[tuple[str, str]]:
    """Yield the models and names of settings that the role may not read."""
    for table in session.catalog.settings_tables(component.value):
        for name in table.unreadable:
            yield table.child.model, name


def _by_model(row: Sequence[Any]) -> str:
    return row[1]


def _render(
    component: Component, stored: StoredSettings | None
) -> str | MissingPermissionError | None:
    if stored is None:
        return None
    if stored.json is None:
        application, _, model = stored.model.partition(".")
        return MissingPermissionError(COORDINATES[component], [f"{application}.view_{model}"])
    is_short = len(stored.json) <= MAX_CACHED_LENGTH
    return _render_cached(stored) if is_short else _render_json(stored)


def _render_json(stored: StoredSettings) -> str:
    return json.dumps(parse_settings(stored), ensure_ascii=False, separators=(",", ":"))


_render_cached = lru_cache(CACHED_SETTINGS)(_render_json)


def _sort_keys(value: Any) -> Any:
    """Return a JSON value whose objects have sorted keys, as databases store them in any order."""
    if isinstance(value, dict):
        members = sorted(cast(dict[str, Any], value).items())
        return {key: _sort_keys(item) for key, item in members}
    if isinstance(value, list):
        return [_sort_keys(item) for item in cast(list[Any], value)]
    return value
