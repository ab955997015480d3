"""The content of a system from the lists of its API."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from models.authentik.attributes import ATTRIBUTES
from models.authentik.natural_keys import NATURAL_KEYS
from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    POLICY,
    POLICY_BINDING,
    PROMPT,
    STAGE,
    STAGE_BINDING,
    USER,
)
from models.errors import SyncError
from models.sync import endpoints, records, settings
from models.sync.consistency import Conflicts, find_conflicts, get_value
from models.sync.fields import ItemReader
from models.sync.lists import Item
from models.sync.responses import Responses
from models.sync.settings import Names
from models.systems.content import ALL_SETTINGS, Origin, Record, SystemContent

COMPONENT_LISTS = ((STAGE, endpoints.STAGES), (POLICY, endpoints.POLICIES))
PARENT_LISTS = ((FLOW, endpoints.FLOWS), (STAGE_BINDING, endpoints.STAGE_BINDINGS))
LISTS = (
    *COMPONENT_LISTS,
    *PARENT_LISTS,
    (PROMPT, endpoints.PROMPTS),
    (GROUP, endpoints.GROUPS),
    (USER, endpoints.USERS),
    (POLICY_BINDING, endpoints.POLICY_BINDINGS),
)


def build_content(responses: Responses) -> tuple[SystemContent | None, Conflicts]:
    """Return the content, and the conflicts in it; raises SyncError if an object is invalid.

    There is no content if the lists do not agree on the types of objects.
    """
    types = _index_types(responses)
    if types.conflicts.errors:
        return None, types.conflicts
    content = _build(responses, types)
    _check_types(responses)
    _check_keys(content.records)
    conflicts = find_conflicts(content.records, responses.lists[endpoints.FLOWS])
    doubts = {*types.conflicts.doubts, *conflicts.doubts}
    return content, Conflicts(conflicts.errors, doubts)


@dataclass(frozen=True, slots=True)
class _Types:
    """The stages and policies with their settings, by model and primary key.

    None stands for a model of which the settings are unknown.
    """

    items: records.Typed
    conflicts: Conflicts

    @property
    def unknown(self) -> Sequence[str]:
        """The models of which the settings are unknown."""
        return [model for model, items in self.items.items() if items is None]


def _index_types(responses: Responses) -> _Types:
    """Compare the lists of types with those of all stages and policies."""
    listed = _list_keys_by_model(responses)
    types = {
        model: _compare(model, None if items is None else _index(model, items), listed[model])
        for model, items in responses.typed.items()
    }
    errors = [type_.error for type_ in types.values() if type_.error]
    doubts = {type_.doubt for type_ in types.values() if type_.doubt}
    return _Types({model: type_.items for model, type_ in types.items()}, Conflicts(errors, doubts))


class _Type(NamedTuple):
    """The objects of a type with their settings, and what does not fit."""

    items: Mapping[str, Item] | None
    error: str = ""
    doubt: str = ""


def _compare(model: str, items: Mapping[str, Item] | None, listed: set[str]) -> _Type:
    """Compare the objects of a type with their primary keys in the list of all types."""
    missing = listed - (items or {}).keys()
    if items is None or (missing and not endpoints.is_known(model)):
        # An unknown type may well have no list.
        is_doubtful = missing and (items or endpoints.is_known(model))
        return _Type(None, doubt=f"there is no complete list of {model}" if is_doubtful else "")
    if missing:
        return _Type(items, error=f"the list of {model} lacks {len(missing)} objects")
    # Two names of a type have one list.
    has_more = len(items) > len(listed)
    return _Type(items, doubt=f"only the list of {model} has some objects" if has_more else "")


def _list_keys_by_model(responses: Responses) -> Mapping[str, set[str]]:
    keys: dict[str, set[str]] = {model: set() for model in responses.typed}
    for _, path in COMPONENT_LISTS:
        for item in responses.lists[path]:
            model = endpoints.find_model(item)
            if model:
                keys[model].add(ItemReader(path, item).read_uuid("pk"))
    return keys


def _index(model: str, items: Iterable[Item]) -> Mapping[str, Item]:
    return {ItemReader(f"the list of {model}", item).read_uuid("pk"): item for item in items}


def _build(responses: Responses, types: _Types) -> SystemContent:
    lists, names = responses.lists, _build_names(responses)
    bindings = records.build_policy_bindings(lists[endpoints.POLICY_BINDINGS])
    components = {
        kind.name: records.build_components(kind, path, lists[path], types.items, names)
        for kind, path in COMPONENT_LISTS
    }
    return SystemContent(
        Origin.AUTHENTIK,
        {
            FLOW.name: records.build_flows(lists[endpoints.FLOWS]),
            **components,
            PROMPT.name: records.build_prompts(lists[endpoints.PROMPTS]),
            GROUP.name: list(_select_groups(responses, types, bindings)),
            USER.name: list(_select_users(responses, bindings)),
            STAGE_BINDING.name: records.build_stage_bindings(lists[endpoints.STAGE_BINDINGS]),
            POLICY_BINDING.name: bindings,
        },
        frozenset(_list_unknown_settings(types)),
        responses.version,
        [*responses.warnings, *_warn_of_unknown(types)],
    )


def _check_types(responses: Responses) -> None:
    """Raise SyncError if an object is in the lists of several types."""
    for kind, path in COMPONENT_LISTS:
        models = filter(None, {endpoints.find_model(item) for item in responses.lists[path]})
        # By path, since several unknown types can have the same.
        lists = {endpoints.build_path(kind, model): responses.typed[model] for model in models}
        _check_unique("pk", _list_keys(lists))


def _list_keys(lists: Mapping[str, Sequence[Item] | None]) -> Iterator[tuple[str, str]]:
    for path, items in sorted(lists.items()):
        yield from ((path, ItemReader(path, item).read_uuid("pk")) for item in items or ())


def _check_keys(content: Mapping[str, Sequence[Record]]) -> None:
    """Raise SyncError if objects that are rows of one table have the same key."""
    for kind, path in LISTS:
        _check_unique("pk", ((path, record.pk) for record in content[kind.name]))
    parents = (
        (path, record.parent) for kind, path in PARENT_LISTS for record in content[kind.name]
    )
    _check_unique(records.PARENT_KEY, parents)


def _check_unique(name: str, keys: Iterable[tuple[str, Any]]) -> None:
    """Raise SyncError if a key occurs twice; the keys are pairs with the path of the list."""
    known: set[Any] = set()
    for path, key in keys:
        if key in known:
            raise SyncError(
                f"{path} returned an object whose field {name} is {key}, as that of another object:"
                " nothing was changed"
            )
        known.add(key)


def _build_names(responses: Responses) -> Names:
    outside = {
        reader.read_uuid(_find_key(item)): (model, reader.read_string(NATURAL_KEYS[model].field))
        for model, items in responses.outside.items()
        for item in items
        for reader in (ItemReader(endpoints.OUTSIDE[model], item),)
    }
    users = (ItemReader(endpoints.USERS, item) for item in responses.users)
    return Names(
        outside, {reader.read_integer("pk"): reader.read_string("username") for reader in users}
    )


def _find_key(item: Item) -> str:
    """Return the name of the primary key, which is not the same for all models."""
    return "pk" if "pk" in item else "connector_uuid"


def _select_groups(
    responses: Responses, types: _Types, bindings: Iterable[Record]
) -> Iterator[Record]:
    """Yield the groups that bindings and settings refer to."""
    keys = {get_value(POLICY_BINDING, binding, "group_id") for binding in bindings}
    for model, items in types.items.items():
        for item in (items or {}).values():
            keys.update(settings.list_groups(model, item))
    return (group for group in records.build_groups(responses.groups) if group.pk in keys)


def _select_users(responses: Responses, bindings: Iterable[Record]) -> Iterator[Record]:
    """Yield the users that bindings refer to."""
    keys = {get_value(POLICY_BINDING, binding, "user_id") for binding in bindings}
    return (user for user in records.build_users(responses.users) if user.pk in keys)


def _list_unknown_settings(types: _Types) -> Iterator[tuple[str, str]]:
    """Yield the settings that could not be read: secrets, and all of types without a list."""
    for model, items in types.items.items():
        names = settings.list_secrets(model) if items is not None else ATTRIBUTES.get(model, ())
        yield from ((model, name) for name in names)
    yield from ((model, ALL_SETTINGS) for model in types.unknown)


def _warn_of_unknown(types: _Types) -> Iterator[str]:
    return (
        f"the settings of the type {model} are unknown: authentik has no list of it"
        for model in types.unknown
    )
