"""The settings of stages and policies, as imports store them."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from models.authentik.attributes import ATTRIBUTES, Attribute, AttributeType
from models.authentik.known_models import is_read_only
from models.authentik.natural_keys import NATURAL_KEYS
from models.authentik.secrets import SECRET, is_secret, mask
from models.blueprint.authentik.kinds import GROUP, USER
from models.blueprint.authentik.values import check_json, convert_setting
from models.blueprint.format.entry import MAX_DEPTH, InvalidValueError
from models.errors import SyncError
from models.sync.endpoints import OUTSIDE, PARENT_MODELS
from models.sync.fields import ItemReader

# The fields of all stages and policies that are no settings.
OTHERS = frozenset(
    [
        "pk",
        "name",
        "component",
        "meta_model_name",
        "verbose_name",
        "verbose_name_plural",
        "flow_set",
        "stage_uuid",
        "policy_uuid",
        "bound_to",
        "execution_logging",
        "created",
        "last_updated",
    ]
)
# The fields that contain the objects of references.
NESTED = "_obj"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the objects that settings refer to.

    `outside` has the natural keys of objects that are not stored, as pairs of the model and the
    value, by primary key. `users` has the usernames by primary key.
    """

    outside: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    users: Mapping[int, str] = field(default_factory=dict[int, str])


def convert_settings(model: str, reader: ItemReader, names: Names) -> Mapping[str, Any]:
    """Return the settings of an object without secrets; raises SyncError.

    The API never returns some secrets, which the settings have as well.
    """
    settings = {
        name: _name_references(_convert(model, name, reader), _find(model, name), names)
        for name in _list_names(model, reader.item)
    }
    return {**settings, **{name: SECRET for name in list_secrets(model) if name not in settings}}


def list_secrets(model: str) -> Iterator[str]:
    """Yield the names of the secret attributes of a model."""
    return (name for name in ATTRIBUTES.get(model, {}) if is_secret(model, name))


def list_outside_models(model: str, item: Mapping[str, Any]) -> Iterator[str]:
    """Yield the models of the objects that the settings refer to and that are not stored."""
    for name, value in item.items():
        target = find_target(model, name)
        target = PARENT_MODELS.get(target or "", target)
        if value and target and target in OUTSIDE:
            yield target


def list_groups(model: str, item: Mapping[str, Any]) -> Iterator[str]:
    """Yield the primary keys of the groups that the settings refer to."""
    return (
        _normalize(key)
        for name, value in item.items()
        if find_target(model, name) == GROUP.model
        for key in (cast(list[Any], value) if isinstance(value, list) else [value])
        if isinstance(key, str)
    )


def refers_to_users(model: str, item: Mapping[str, Any]) -> bool:
    """Return whether the settings refer to users."""
    return any(value and find_target(model, name) == USER.model for name, value in item.items())


def find_target(model: str, name: str) -> str | None:
    """Return the model that an attribute refers to, None if it contains no references."""
    attribute = _find(model, name)
    return attribute.target if attribute else None


def _find(model: str, name: str) -> Attribute | None:
    """Return an attribute; that of the items for a list."""
    attribute = ATTRIBUTES.get(model, {}).get(name)
    is_list = attribute is not None and attribute.type is AttributeType.LIST
    return attribute.items if is_list and attribute else attribute


def _list_names(model: str, item: Mapping[str, Any]) -> Iterator[str]:
    for name in item:
        is_other = name in OTHERS or name.endswith(NESTED)
        if not (is_other or is_read_only(model, name)):
            yield name


def _convert(model: str, name: str, reader: ItemReader) -> Any:
    """Return a value as an import stores it; one that imports do not accept stays as it is."""
    if _is_too_deep(reader.item[name]):
        raise _build_depth_error(name, reader)
    value = mask(model, name, reader.item[name])
    try:
        return convert_setting(model, name, value)
    except InvalidValueError:
        pass
    try:
        return check_json(value)
    except InvalidValueError:
        raise reader.build_error(name, "valid") from None


def _is_too_deep(value: Any, levels: int = MAX_DEPTH) -> bool:
    """Return whether a value has more levels of lists and mappings."""
    if not isinstance(value, dict | list):
        return False
    items = cast(Iterable[Any], value.values() if isinstance(value, dict) else value)
    return levels == 0 or any(_is_too_deep(item, levels - 1) for item in items)


def _build_depth_error(name: str, reader: ItemReader) -> SyncError:
    return SyncError(
        f"{reader.path} returned the object {reader.read_uuid('pk')}, whose field {name} is nested"
        f" too deeply: more than {MAX_DEPTH} levels. Nothing was changed"
    )


def _name_references(value: Any, attribute: Attribute | None, names: Names) -> Any:
    """Return a value in which references have the form of imports."""
    if isinstance(value, list):
        return [_name_references(item, attribute, names) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).items()
        return {key: _name_references(item, None, names) for key, item in items}
    target = attribute.target if attribute else None
    if target == USER.model and value in names.users:
        return {"$find": [USER.model, ["username", names.users[value]]]}
    key = _normalize(value) if isinstance(value, str) and target else value
    model, name = names.outside.get(key, (None, ""))
    return {"$find": [model, [NATURAL_KEYS[model].field, name]]} if model else key


def _normalize(key: str) -> str:
    """Return a UUID as 36 lower-case characters, and other strings as they are."""
    try:
        return str(uuid.UUID(key))
    except ValueError:
        return key
