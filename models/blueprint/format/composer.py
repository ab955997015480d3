"""Python values from the events of libyaml, without a tree of nodes, in bounded time and memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, cast

from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from models.blueprint.format.entry import MAX_DEPTH, Position, Tag
from models.blueprint.format.scalars import MERGE, PREFIX, TYPES, construct, resolve_plain
from models.blueprint.format.source import MAX_SCALAR_CHARACTERS, SCALAR_TOO_LONG, Source

TAGS = {
    name: name
    for name in (
        "!KeyOf",
        "!Find",
        "!FindObject",
        "!Context",
        "!Format",
        "!If",
        "!Condition",
        "!Enumerate",
        "!Index",
        "!Value",
        "!Env",
        "!File",
        "!AtIndex",
        "!ParseJSON",
    )
}
MAX_MERGED_KEYS = 1000
# The values that aliases repeat, in one entry and in the whole document.
MAX_ENTRY_ALIASED_VALUES = 100_000
MAX_ALIASED_VALUES = 10_000_000
CHARACTERS_PER_VALUE = 20
MAX_ERRORS = 1000
MAX_QUOTED_CHARACTERS = 100
MAX_CACHED_SCALARS = 100_000
MAX_CACHED_CHARACTERS = 64
# Tags of mappings and lists that have no effect.
NEUTRAL_TAGS: Mapping[type, Sequence[str]] = {
    MappingStartEvent: (f"{PREFIX}map",),
    SequenceStartEvent: (f"{PREFIX}seq",),
}
NO_TAGS = (None, "!")
COMPLEX_KEY = "a key must not be a list or a mapping"
UNKNOWN = object()
OPEN = object()

Positions = dict[Any, Position]


class InvalidDocumentError(Exception):
    """A document that cannot be read further."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position


class _Anchored(NamedTuple):
    """A value with an anchor, the number of values in it and its depth."""

    value: Any
    size: int
    depth: int


class Composer:
    """Composes values from events.

    `errors` are those after which reading can go on. Aliases share one object.
    """

    def __init__(self, source: Source) -> None:
        self.errors: list[tuple[Position, str]] = []
        self._source = source
        self._get_event = cast(Callable[[], Any], CParser(cast(Any, source)).get_event)
        self._scalars: dict[str, Any] = {}
        self._anchors: dict[str, _Anchored] = {}
        self._depth = 0
        self._max_depth = 0
        self._size = 0
        self._aliased = 0
        self._entry_aliased = 0

    def next_event(self) -> Any:
        """Return the next event of libyaml."""
        event = self._source.event = self._get_event()
        return event

    def report(self, position: Position, message: str) -> None:
        """Add an error; raises InvalidDocumentError after many."""
        if len(self.errors) == MAX_ERRORS:
            raise InvalidDocumentError(position, "too many errors")
        self.errors.append((position, message))

    def start_entry(self) -> None:
        """Begin to count what the aliases of an entry repeat."""
        self._entry_aliased = 0

    def iterate_list(self) -> Iterator[Any]:
        """Yield the first event of each item of a list, after its start."""
        self._enter()
        while type(event := self.next_event()) is not SequenceEndEvent:
            yield event
        self._depth -= 1

    def iterate_mapping(self) -> Iterator[tuple[Any, Any, Any]]:
        """Yield each key, its first event and the first event of the value, after a mapping's start.

        A key can be MERGE.
        """
        self._enter()
        while type(event := self.next_event()) is not MappingEndEvent:
            key = self._compose_key(event)
            if isinstance(key, dict | list | set):
                self.report(locate_event(event), COMPLEX_KEY)
            yield key, event, self.next_event()
        self._depth -= 1

    def compose(
        self,
        event: Any,
        positions: Positions | None = None,
        nested: Mapping[Any, Positions] | None = None,
    ) -> Any:
        """Return the value that starts with an event.

        Adds the positions of a mapping's keys to `positions`, and those of mappings in it to
        `nested`, by key.
        """
        kind = event.__class__
        if kind is AliasEvent:
            return self._resolve_alias(event)
        if event.anchor is not None:
            return self._compose_anchored(event, positions, nested)
        if event.tag not in NO_TAGS:
            return self._compose_tagged(event, positions, nested)
        if kind is ScalarEvent:
            return self._compose_scalar(event)
        return self._compose_collection(event, positions, nested)

    def merge(self, merged: dict[Any, Any], value: Any, position: Position) -> None:
        """Add the keys of a mapping, or of a list of mappings, whose first one has priority."""
        content = value.value if isinstance(value, Tag) else value
        items = cast(list[Any], content) if isinstance(content, list) else [content]
        if not all(isinstance(item, dict) for item in items):
            self.report(position, "'<<' expects a mapping or a list of mappings")
            return
        for item in reversed(cast(list[dict[Any, Any]], items)):
            merged.update(item)
        if len(merged) > MAX_MERGED_KEYS:
            raise InvalidDocumentError(position, f"'<<' merges more than {MAX_MERGED_KEYS} keys")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > self._max_depth:
            self._check_depth(self._depth, self._source.event)
            self._max_depth = self._depth

    def _check_depth(self, depth: int, event: Any) -> None:
        if depth > MAX_DEPTH:
            message = f"the document is nested too deeply: more than {MAX_DEPTH} levels"
            raise InvalidDocumentError(locate_event(event), message)

    def _resolve_alias(self, event: Any) -> Any:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise _build_alias_error(event, "found undefined alias")
        if anchored.value is OPEN:
            raise _build_alias_error(event, "found recursive alias")
        self._check_depth(self._depth + anchored.depth, event)
        self._max_depth = max(self._max_depth, self._depth + anchored.depth)
        self._count_aliased(event, anchored.size)
        return anchored.value

    def _count_aliased(self, event: Any, size: int) -> None:
        self._size += size
        self._aliased += size
        self._entry_aliased += size
        for count, limit in (
            (self._entry_aliased, MAX_ENTRY_ALIASED_VALUES),
            (self._aliased, MAX_ALIASED_VALUES),
        ):
            if count > limit:
                message = f"aliases repeat more than {limit} values"
                raise InvalidDocumentError(locate_event(event), message)

    def _compose_anchored(
        self, event: Any, positions: Positions | None, nested: Mapping[Any, Positions] | None
    ) -> Any:
        name = event.anchor
        if name in self._anchors:
            raise _build_alias_error(event, "found duplicate anchor")
        self._anchors[name] = _Anchored(OPEN, 0, 0)
        size, outer_depth, self._max_depth = self._size, self._max_depth, self._depth
        event.anchor = None
        value = self.compose(event, positions, nested)
        depth = self._max_depth - self._depth
        self._anchors[name] = _Anchored(value, self._size - size + 1, depth)
        self._max_depth = max(outer_depth, self._max_depth)
        return value

    def _compose_collection(
        self,
        event: Any,
        positions: Positions | None = None,
        nested: Mapping[Any, Positions] | None = None,
    ) -> dict[Any, Any] | list[Any]:
        if type(event) is MappingStartEvent:
            return self._compose_mapping(positions, nested)
        return self._compose_list()

    def _compose_scalar(self, event: Any) -> Any:
        if not event.implicit[0]:
            return self._check_length(event)
        value = self._scalars.get(event.value, UNKNOWN)
        if value is UNKNOWN:
            value = self._resolve_scalar(event)
        if value is MERGE:
            self.report(locate_event(event), "'<<' is a key; a string requires quotes")
        return value

    def _compose_key(self, event: Any) -> Any:
        """Return the value of a key, which can be MERGE."""
        if type(event) is not ScalarEvent or event.tag is not None or event.anchor is not None:
            return self.compose(event)
        is_merge = event.value == "<<" and event.implicit[0]
        return MERGE if is_merge else self._compose_scalar(event)

    def _resolve_scalar(self, event: Any) -> Any:
        try:
            value = resolve_plain(self._check_length(event))
        except ValueError as error:
            self.report(locate_event(event), str(error))
            return None
        if len(event.value) <= MAX_CACHED_CHARACTERS and len(self._scalars) < MAX_CACHED_SCALARS:
            self._scalars[event.value] = value
        return value

    def _check_length(self, event: Any) -> str:
        if len(event.value) > MAX_SCALAR_CHARACTERS:
            raise InvalidDocumentError(locate_event(event), SCALAR_TOO_LONG)
        # Aliases also repeat characters.
        self._size += len(event.value) // CHARACTERS_PER_VALUE
        return event.value

    def _compose_list(self) -> list[Any]:
        items: list[Any] = []
        get_event = self._get_event
        self._enter()
        while type(event := get_event()) is not SequenceEndEvent:
            self._source.event = event
            items.append(self.compose(event))
        self._depth -= 1
        self._size += len(items)
        return items

    def _compose_mapping(
        self, positions: Positions | None, nested: Mapping[Any, Positions] | None
    ) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        get_event = self._get_event
        self._enter()
        while type(event := get_event()) is not MappingEndEvent:
            self._source.event = event
            key = self._compose_key(event)
            inner = nested.get(key) if nested and isinstance(key, str) else None
            value = self.compose(get_event(), inner)
            if key is MERGE:
                self.merge(merged, value, locate_event(event))
            else:
                self._add(mapping, key, value, event)
            if positions is not None and (key is MERGE or isinstance(key, str)):
                positions[key] = locate_event(event)
        self._depth -= 1
        self._size += len(mapping) + len(merged)
        return {**merged, **mapping} if merged else mapping

    def _add(self, mapping: dict[Any, Any], key: Any, value: Any, event: Any) -> None:
        try:
            mapping[key] = value
        except TypeError:
            self.report(locate_event(event), COMPLEX_KEY)

    def _compose_tagged(
        self, event: Any, positions: Positions | None, nested: Mapping[Any, Positions] | None
    ) -> Any:
        if event.tag in NEUTRAL_TAGS.get(event.__class__, ()):
            return self._compose_collection(event, positions, nested)
        name = TAGS.get(event.tag)
        if name is None:
            return self._compose_standard(event)
        return Tag(name, self._compose_content(event), locate_event(event))

    def _compose_content(self, event: Any) -> Any:
        is_scalar = type(event) is ScalarEvent
        return self._check_length(event) if is_scalar else self._compose_collection(event)

    def _compose_standard(self, event: Any) -> Any:
        value = self._compose_content(event)
        try:
            return _convert(event, value)
        except ValueError as error:
            self.report(locate_event(event), str(error))
            return None


def locate_event(event: Any) -> Position:
    """Return the position of an event."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1)


def _build_alias_error(event: Any, problem: str) -> InvalidDocumentError:
    return InvalidDocumentError(locate_event(event), f"{problem} {_quote(event.anchor)}")


def _quote(name: str) -> str:
    shown = f"{name[:MAX_QUOTED_CHARACTERS]}…" if len(name) > MAX_QUOTED_CHARACTERS else name
    return f"'{shown}'"


def _convert(event: Any, value: Any) -> Any:
    """Return the value of a standard tag of YAML; raises ValueError."""
    tag: str = event.tag
    if tag in TYPES and isinstance(value, str):
        return construct(tag, value)
    converter = COLLECTIONS.get((tag, value.__class__))
    if converter is None:
        raise ValueError(_describe_tag(tag))
    return converter(value)


def _build_pairs(items: Sequence[Any]) -> list[tuple[Any, Any]]:
    if not all(isinstance(item, dict) and len(cast(Any, item)) == 1 for item in items):
        raise ValueError("expected a list of mappings with one key each")
    return [pair for item in items for pair in item.items()]


COLLECTIONS: Mapping[tuple[str, type], Callable[[Any], Any]] = {
    (f"{PREFIX}set", dict): set,
    (f"{PREFIX}omap", list): _build_pairs,
    (f"{PREFIX}pairs", list): _build_pairs,
}
STANDARD_TAGS = (*TYPES, *(f"{PREFIX}{name}" for name in ("map", "seq", "set", "omap", "pairs")))


def _describe_tag(tag: str) -> str:
    name = _quote(f"!!{tag.removeprefix(PREFIX)}" if tag.startswith(PREFIX) else tag)
    if tag in STANDARD_TAGS:
        return f"the tag {name} does not match its value"
    lower = {name.lower(): name for name in TAGS}
    nearest = get_close_matches(tag.lower(), lower, 1)
    hint = f"; did you mean {lower[nearest[0]]}?" if nearest else ""
    return f"unknown tag {name}{hint}"
