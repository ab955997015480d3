"""The settings of stages and policies: their other attributes, as JSON."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from models.authentik import secrets
from models.blueprint.authentik.kinds import GROUP, USER, find_kind
from models.blueprint.planning.references import UnstoredObject
from models.blueprint.rows.working_set import Row

# Returns the group of a reference, which it creates if need be; None if it cannot.
KeepGroup = Callable[[UnstoredObject], Row | None]


def render_setting(value: Any, keep_group: KeepGroup, *, keeps_missing: bool = False) -> Any:
    """Return an evaluated value as JSON has it: references are primary keys.

    `{"$find": [model, [field, value], …]}` refers to a user, or to an object that FlowQL does not
    store. A flow, stage, policy or prompt that does not exist is null, as in authentik, or with
    `keeps_missing` the same as other objects.
    """
    if isinstance(value, Row):
        return _render_row(value)
    if isinstance(value, UnstoredObject):
        group = keep_group(value) if find_kind(value.model) is GROUP else None
        if group:
            return group.pk
        return _render_unknown(value, keep_group, keeps_missing=keeps_missing)
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, Any], value).items()
        return {
            key: render_setting(item, keep_group, keeps_missing=keeps_missing)
            for key, item in items
        }
    if isinstance(value, list):
        items = cast(list[Any], value)
        return [render_setting(item, keep_group, keeps_missing=keeps_missing) for item in items]
    return value


def _render_row(row: Row) -> Any:
    # A number can be anything. Only its field would say that it is a user.
    if row.kind is USER:
        return {"$find": [USER.model, ["username", row.get("username")]]}
    return row.pk


def _render_unknown(
    reference: UnstoredObject, keep_group: KeepGroup, *, keeps_missing: bool
) -> Any:
    kind = find_kind(reference.model)
    is_missing = kind is not None and kind not in (GROUP, USER)
    if (is_missing and not keeps_missing) or not reference.conditions:
        return None
    conditions = (
        [
            name,
            secrets.mask(
                reference.model, name.partition("__")[0], render_setting(value, keep_group)
            ),
        ]
        for name, value in reference.conditions
    )
    return {"$find": [reference.model, *conditions]}
