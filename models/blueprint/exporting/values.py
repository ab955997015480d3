"""The values of settings in an export: references and secrets become tags."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from models.authentik.attributes import ATTRIBUTES, Attribute, AttributeType
from models.authentik.natural_keys import FIXED_MODELS
from models.authentik.secrets import SECRET
from models.blueprint.authentik.values import is_uuid
from models.blueprint.exporting.content import Component, NaturalName
from models.blueprint.exporting.placeholders import Placeholders
from models.blueprint.format.entry import Tag

# Returns the tag of the object with a primary key, None if it is unknown. The second argument is the
# model that the reference expects, if it is known.
Refer = Callable[[str, str | None], Tag | None]


@dataclass(frozen=True, slots=True)
class SettingsRenderer:
    """Renders the settings of one component; `owner` names it in comments.

    `outside` collects the objects that `{"$find": …}` refers to.
    """

    component: Component
    owner: str
    refer: Refer
    placeholders: Placeholders
    outside: set[NaturalName]

    def render(self, name: str, value: Any) -> Any:
        """Return the value of a setting with tags."""
        attribute = ATTRIBUTES.get(self.component.model or "", {}).get(name)
        target = _find_target(attribute)
        is_reference = target is not None or name in self.component.references
        return self._render(name, value, target, is_reference=is_reference)

    def _render(self, name: str, value: Any, target: str | None, *, is_reference: bool) -> Any:
        if value == SECRET and isinstance(value, dict):
            return self.placeholders.add_secret(self.owner, name)
        if isinstance(value, list):
            items = cast(list[Any], value)
            return [self._render(name, item, target, is_reference=is_reference) for item in items]
        if isinstance(value, dict):
            return self._render_mapping(name, cast(dict[str, Any], value))
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        return self._render_scalar(name, value, target, is_reference=is_reference)

    def _render_mapping(self, name: str, value: Mapping[str, Any]) -> Any:
        match value:
            case {"$find": [str(model), *conditions]} if len(value) == 1:
                self._note_outside(model, conditions)
                rendered = [
                    self._render(name, item, None, is_reference=False) for item in conditions
                ]
                return Tag("!Find", [model, *rendered])
            case _:
                return {
                    key: self._render(f"{name}.{key}", item, None, is_reference=False)
                    for key, item in value.items()
                }

    def _note_outside(self, model: str, conditions: list[Any]) -> None:
        match conditions:
            case [[_, str(name)]]:
                self.outside.add(NaturalName(model, name))
            case _:
                self.outside.add(NaturalName(model, "…"))

    def _render_scalar(
        self, name: str, value: str | int, target: str | None, *, is_reference: bool
    ) -> Any:
        if target in FIXED_MODELS:
            return value
        tag = self.refer(value, target) if isinstance(value, str) and is_uuid(value) else None
        if tag is None and is_reference and not (isinstance(value, str) and not is_uuid(value)):
            return self.placeholders.add_reference(self.owner, name)
        return value if tag is None else tag


def find_keys(value: Any) -> Iterator[str]:
    """Yield the strings in a JSON value that can be primary keys."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and is_uuid(item):
            yield item
        elif isinstance(item, list):
            pending += cast(list[Any], item)
        elif isinstance(item, dict):
            pending += cast(dict[str, Any], item).values()


def _find_target(attribute: Attribute | None) -> str | None:
    """Return the model that an attribute refers to, None if it contains no references."""
    if attribute and attribute.type is AttributeType.LIST:
        attribute = attribute.items
    return attribute.target if attribute else None
