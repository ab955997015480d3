"""The settings of stages and policies: their other attributes, as JSON."""

from collections.abc import Mapping
from typing import Any, cast

from models.blueprint.authentik import secrets
from models.blueprint.authentik.kinds import GROUP, USER, find_kind
from models.blueprint.planning.references import UnstoredObject
from models.blueprint.rows.working_set import Row


def render_setting(value: Any) -> Any:
    """Return an evaluated value as JSON has it: references are primary keys.

    `{"$find": [model, [field, value], …]}` refers to an object that FlowQL does not store. A flow,
    stage, policy or prompt that does not exist is null.
    """
    if isinstance(value, Row):
        return value.pk
    if isinstance(value, UnstoredObject):
        return _render_unknown(value)
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, Any], value).items()
        return {key: render_setting(item) for key, item in items}
    if isinstance(value, list):
        return [render_setting(item) for item in cast(list[Any], value)]
    return value


def _render_unknown(reference: UnstoredObject) -> Any:
    kind = find_kind(reference.model)
    if (kind and kind not in (GROUP, USER)) or not reference.conditions:
        return None
    conditions = (
        [name, secrets.mask(reference.model, name.partition("__")[0], render_setting(value))]
        for name, value in reference.conditions
    )
    return {"$find": [reference.model, *conditions]}
