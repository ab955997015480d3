"""The settings of stages and policies."""

import json
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, cast

from gql.errors import MissingPermissionError
from models.authentik.attributes import ATTRIBUTES, Attribute, AttributeType
from models.authentik.secrets import mask, mask_value
from models.database import Session
from models.database.statement import Rows
from models.queries.components import Component
from models.queries.rights import Access, Rights
from models.queries.settings import ComponentSettings
from models.queries.viewer import Viewer

# The settings of many stages and policies are equal to those in earlier responses.
CACHED_SETTINGS = 4_000
MAX_CACHED_LENGTH = 8_000
EVERYONE = Viewer(Rights(), {})
COORDINATES = {Component.STAGE: "Stage.settings", Component.POLICY: "Policy.settings"}


class StoredSettings(NamedTuple):
    """The settings of a component as stored.

    With `is_own`, a blueprint has named them: the rules for names of secrets apply to all. Of
    authentik's columns, secrets are not read.
    """

    model: str
    json: str
    is_own: bool


async def render_settings(
    component: Component, session: Session, viewer: Viewer, pks: Sequence[str]
) -> Sequence[str | MissingPermissionError | None]:
    """Return the settings of visible components as JSON texts, in one statement.

    The item of a component of unknown type is None. That of a type whose settings the viewer may not
    view is an error.
    """
    rows = await _read_rows(component, session, viewer, pks, viewer.rights.view_settings)
    is_own = session.is_flowql
    rendered = {pk: _render(component, model, text, is_own=is_own) for pk, model, _, text in rows}
    return [rendered.get(pk) for pk in pks]


async def read_settings(
    component: Component, session: Session, pks: Sequence[str]
) -> dict[str, StoredSettings]:
    """Return the settings of components by primary key, without those of unknown type.

    The caller has checked that the viewer may view all settings.
    """
    rows = await _read_rows(component, session, EVERYONE, pks, Access.ALL)
    is_own = session.is_flowql
    return {pk: StoredSettings(model, text, is_own) for pk, model, _, text in rows}


async def _read_rows(
    component: Component, session: Session, viewer: Viewer, pks: Sequence[str], access: Access
) -> Rows:
    """Return rows of primary key, model, visibility and JSON; of equal keys, the last one counts."""
    tables = None if session.is_flowql else session.catalog.settings_tables(component.value)
    if not pks or tables == ():
        return ()
    query = ComponentSettings(component, tables, access)
    rows = await session.read(query, {**viewer.parameters, "pks": pks})
    # Of a component in several child tables, `type` is the first model.
    has_duplicates = len({row[0] for row in rows}) < len(rows)
    return sorted(rows, key=itemgetter(1), reverse=True) if has_duplicates else rows


def parse_settings(stored: StoredSettings) -> dict[str, Any]:
    """Return settings with sorted keys and without secrets."""
    settings: dict[str, Any] = _sort_keys(json.loads(stored.json))
    if stored.is_own:
        return {name: mask(stored.model, name, value) for name, value in settings.items()}
    attributes = ATTRIBUTES.get(stored.model, {})
    return {
        name: mask_value(_split_list(attributes.get(name), value))
        for name, value in settings.items()
    }


def _split_list(attribute: Attribute | None, value: Any) -> Any:
    """Return the list in a string with commas, as Django stores the countries of a policy."""
    is_list = attribute is not None and attribute.type is AttributeType.LIST
    return value.split(",") * bool(value) if is_list and isinstance(value, str) else value


def _render(
    component: Component, model: str, text: str | None, *, is_own: bool
) -> str | MissingPermissionError:
    if text is None:
        application, _, name = model.partition(".")
        return MissingPermissionError(COORDINATES[component], [f"{application}.view_{name}"])
    is_short = len(text) <= MAX_CACHED_LENGTH
    stored = StoredSettings(model, text, is_own)
    return _render_cached(stored) if is_short else _render_json(stored)


def _render_json(stored: StoredSettings) -> str:
    settings = parse_settings(stored)
    return json.dumps(settings, ensure_ascii=False, separators=(",", ":"))


_render_cached = lru_cache(CACHED_SETTINGS)(_render_json)


def _sort_keys(value: Any) -> Any:
    """Return a JSON value whose objects have sorted keys, as databases store them in any order."""
    if isinstance(value, dict):
        members = sorted(cast(dict[str, Any], value).items())
        return {key: _sort_keys(item) for key, item in members}
    if isinstance(value, list):
        return [_sort_keys(item) for item in cast(list[Any], value)]
    return value
