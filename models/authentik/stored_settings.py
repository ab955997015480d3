"""The settings of a stage or a policy as a database stores them."""

import json
from typing import Any, NamedTuple, cast

from models.authentik.attributes import ATTRIBUTES, Attribute, AttributeType
from models.authentik.secrets import mask, mask_value


class StoredSettings(NamedTuple):
    """The settings of a component as stored.

    With `is_own`, a blueprint has named them: the rules for names of secrets apply to all. Of
    authentik's columns, secrets are not read.
    """

    model: str
    json: str
    is_own: bool


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


def _sort_keys(value: Any) -> Any:
    """Return a JSON value whose objects have sorted keys, as databases store them in any order."""
    if isinstance(value, dict):
        members = sorted(cast(dict[str, Any], value).items())
        return {key: _sort_keys(item) for key, item in members}
    if isinstance(value, list):
        return [_sort_keys(item) for item in cast(list[Any], value)]
    return value
