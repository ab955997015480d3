"""The values of settings in an export: references and secrets become tags."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from models.authentik.attributes import ATTRIBUTES, Attribute, AttributeType
from models.authentik.natural_keys import FIXED_MODELS
from models.authentik.secrets import SECRET
from models.blueprint.authentik.values import is_uuid
from models.blueprint.exporting.content import ExportedComponent, NaturalName
from models.blueprint.exporting.placeholders import Placeholders
from models.blueprint.format.entry import Tag

# Returns the tag of the object with a primary key, None if it is unknown. The second argument is the
# model that the reference expects, if it is known.
Refer = Callable[[str, str | None], Tag | None]


@dataclass(frozen=True, slots=True)
class SettingsRenderer:
    """Renders the settings of one component; `owner` names it in comments.

    `outside` collects the objects that `{"$find": …}` refers to. `hidden` are the primary keys of
    objects that the viewer may not see.
    """

    component: ExportedComponent
    owner: str
    refer: Refer
    placeholders: Placeholders
    outside: set[NaturalName]
    hidden: Collection[str]

    def render(self, name: str, value: Any) -> Any:
        """Return the value of a setting with tags."""
        attribute = ATTRIBUTES.get(self.component.model or "", {}).get(name)
        if _is_secret(value):
            is_text = attribute is None or attribute.type is AttributeType.STRING
            return self.placeholders.add_secret(self.owner, name, is_text=is_text)
        target = _find_target(attribute)
        is_reference = target is not None or name in self.component.references
        rendered = self._render(name, value, target, is_reference=is_reference)
        # The order of primary keys, which differ between systems, is of no use.
        return sorted(rendered, key=repr) if name in self.component.sets else rendered

    def _render(self, path: str, value: Any, target: str | None, *, is_reference: bool) -> Any:
        if _is_secret(value):
            return self.placeholders.add_secret(self.owner, path)
        if isinstance(value, list):
            items = enumerate(cast(list[Any], value))
            return [
                self._render(f"{path}.{index}", item, target, is_reference=is_reference)
                for index, item in items
            ]
        if isinstance(value, dict):
            return self._render_mapping(path, cast(dict[str, Any], value))
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        return self._render_scalar(path, value, target, is_reference=is_reference)

    def _render_mapping(self, path: str, value: Mapping[str, Any]) -> Any:
        match value:
            case {"$find": [str(model), *conditions]} if (
                len(value) == 1 and self.component.has_tags
            ):
                self._note_outside(model, conditions)
                return Tag("!Find", [model, *self._render_items(path, conditions)])
            case _:
                return {
                    key: self._render(f"{path}.{key}", item, None, is_reference=False)
                    for key, item in value.items()
                }

    def _render_items(self, path: str, items: list[Any]) -> list[Any]:
        return self._render(path, items, None, is_reference=False)

    def _note_outside(self, model: str, conditions: list[Any]) -> None:
        match conditions:
            case [[_, str(name)]]:
                self.outside.add(NaturalName(model, name))
            case _:
                self.outside.add(NaturalName(model, "…"))

    def _render_scalar(
        self, path: str, value: str | int, target: str | None, *, is_reference: bool
    ) -> Any:
        if target in FIXED_MODELS:
            return value
        is_key = isinstance(value, str) and is_uuid(value)
        tag = self.refer(str(value), target) if is_key else None
        if tag:
            return tag
        is_unknown = (is_reference and (is_key or isinstance(value, int))) or value in self.hidden
        return self.placeholders.add_reference(self.owner, path) if is_unknown else value


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value == SECRET


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
