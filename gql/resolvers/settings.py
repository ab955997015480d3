"""The settings of stages and policies."""

import json
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter

from gql.errors import MissingPermissionError
from models.authentik.stored_settings import StoredSettings, parse_settings
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
