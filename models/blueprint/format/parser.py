"""A parser of blueprint files: the entries, the name and the context of a YAML document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, TypeVar, cast

import yaml
from yaml.events import (
    DocumentEndEvent,
    MappingStartEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from yaml.reader import ReaderError

from models.blueprint.format.composer import (
    Composer,
    InvalidDocumentError,
    Positions,
    locate_event,
)
from models.blueprint.format.entry import SNAPSHOT_LABEL, VERSION, Position, Tag, find_tag, locate
from models.blueprint.format.scalars import MERGE
from models.blueprint.format.source import Source, SourceError

START = (1, 1)
NESTED_FIELDS = ("identifiers", "attrs")
OTHER_FIELDS = ("model", "state", "conditions", "id", "permissions")
# Position, model, identifiers, attrs, id, state, conditions and positions, as in Entry.
EntryFields = tuple[
    Position, Any, Mapping[str, Any], Mapping[str, Any], Any, Any, Sequence[Any], Positions
]


T = TypeVar("T")


class EntrySink(Protocol):
    """A collection of entries, such as a list."""

    def append(self, entry: EntryFields, /) -> None:
        """Add an entry."""
        ...

    def clear(self) -> None:
        """Remove all entries: a later key 'entries' replaces an earlier one."""
        ...


class ParseErrors(Exception):  # noqa: N818 - several errors
    """A file is invalid. Each message has its path, line and column."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__(*messages)
        self.messages = messages


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The name in the metadata of a document, and its context, which can contain tags.

    `is_snapshot` is set for an export of all flows.
    """

    name: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_snapshot: bool = False


def parse(
    stream: BinaryIO,
    label: str,
    entries: EntrySink,
    report: Callable[[int], object] = lambda _: None,
) -> ParsedDocument:
    """Parse a document and append its entries; raises ParseErrors.

    `stream` is seekable. `report` gets the number of bytes of each read.
    """
    return _compose(
        stream, label, report, lambda composer: _DocumentParser(composer, entries).parse()
    )


def parse_mapping(stream: BinaryIO, label: str) -> dict[str, Any]:
    """Parse a document that is empty or a mapping without tags; raises ParseErrors."""
    return _compose(stream, label, lambda _: None, _parse_mapping)


def _compose(
    stream: BinaryIO, label: str, report: Callable[[int], object], parse: Callable[[Composer], T]
) -> T:
    """Return what a function reads from the events of a document, or raise all errors."""
    source = Source(stream, report)
    composer = Composer(source)
    result = None
    try:
        result = parse(composer)
    except InvalidDocumentError as error:
        composer.errors.append((error.position, str(error)))
    except SourceError as error:
        composer.errors.append((_locate_latest(source), str(error)))
    except yaml.YAMLError as error:
        composer.errors.append(_describe_yaml_error(error, source))
    if composer.errors:
        raise ParseErrors([locate(label, *error) for error in sorted(composer.errors)])
    return cast(T, result)


def _parse_mapping(composer: Composer) -> dict[str, Any]:
    event = _start_document(composer)
    if type(event) is StreamEndEvent:
        return {}
    mapping = composer.compose(event)
    _end_document(composer)
    tag = find_tag(mapping)
    if tag:
        raise InvalidDocumentError(
            tag.position, f"the tag {tag.name} is not evaluated in this file"
        )
    if not isinstance(mapping, dict | None):
        raise InvalidDocumentError(locate_event(event), "expected a mapping")
    keys = cast(dict[Any, Any], mapping or {})
    if not all(isinstance(key, str) for key in keys):
        raise InvalidDocumentError(locate_event(event), "a key must be a string: quote it")
    return keys


def _start_document(composer: Composer) -> Any:
    """Return the first event of the document's value, or the end of an empty stream."""
    event = composer.next_event()
    if type(event) is StreamStartEvent:
        event = composer.next_event()
    return event if type(event) is StreamEndEvent else composer.next_event()


def _end_document(composer: Composer) -> None:
    event = composer.next_event()
    if type(event) is DocumentEndEvent:
        event = composer.next_event()
    if type(event) is not StreamEndEvent:
        message = "expected a single document: the file contains another one"
        raise InvalidDocumentError(locate_event(event), message)


def _locate_latest(source: Source) -> Position:
    return locate_event(source.event) if source.event else START


def _describe_yaml_error(error: yaml.YAMLError, source: Source) -> tuple[Position, str]:
    if isinstance(error, ReaderError):
        return source.find_position(error.position), _describe_reader_error(error)
    details = cast(Any, error)
    mark = details.problem_mark or details.context_mark
    position = (mark.line + 1, mark.column + 1) if mark else START
    return position, ", ".join(part for part in (details.context, details.problem) if part)


def _describe_reader_error(error: ReaderError) -> str:
    if "control character" in error.reason:
        return f"YAML does not allow this character: {error.reason}"
    return f"the file is not encoded in UTF-8: {error.reason}"


class _DocumentParser:
    """Parses a document from events. Entries are appended one by one, and not kept."""

    def __init__(self, composer: Composer, entries: EntrySink) -> None:
        self._composer = composer
        self._entries = entries

    def parse(self) -> ParsedDocument:
        event = _start_document(self._composer)
        if type(event) is not MappingStartEvent or event.tag is not None:
            raise InvalidDocumentError(
                START if type(event) is StreamEndEvent else locate_event(event),
                "not a blueprint: expected a mapping with 'entries'",
            )
        fields, positions = self._parse_root()
        _end_document(self._composer)
        return self._build_document(fields, positions)

    def _parse_root(self) -> tuple[dict[str, Any], Positions]:
        fields: dict[str, Any] = {}
        merged: dict[Any, Any] = {}
        positions: Positions = {}
        for key, key_event, event in self._composer.iterate_mapping():
            position = locate_event(key_event)
            if key is MERGE:
                self._composer.merge(merged, self._composer.compose(event), position)
                positions = dict.fromkeys(merged, position) | positions
            else:
                fields[str(key)] = self._parse_field(key, event, position)
                positions[str(key)] = position
        if "entries" in merged and "entries" not in fields:
            self._add_entries(merged["entries"], positions["entries"], has_sections=True)
        return {**merged, **fields}, positions

    def _parse_field(self, key: Any, event: Any, position: Position) -> Any:
        if key == "entries":
            self._entries.clear()
            return self._parse_entries(event, position)
        return self._composer.compose(event)

    def _parse_entries(self, event: Any, position: Position) -> None:
        """Parse a list of entries, or a mapping of such lists."""
        if type(event) is MappingStartEvent and event.tag is None and event.anchor is None:
            for _, key_event, item in self._composer.iterate_mapping():
                self._parse_list(item, locate_event(key_event), has_sections=False)
        else:
            self._parse_list(event, position, has_sections=True)

    def _parse_list(self, event: Any, position: Position, *, has_sections: bool) -> None:
        if type(event) is SequenceStartEvent and event.tag is None and event.anchor is None:
            for item in self._composer.iterate_list():
                self._parse_entry(item)
        else:
            self._add_entries(self._composer.compose(event), position, has_sections=has_sections)

    def _add_entries(self, value: Any, position: Position, *, has_sections: bool) -> None:
        """Add entries that an alias, a merge or an anchored value contains."""
        if isinstance(value, dict) and has_sections:
            for section in cast(dict[Any, Any], value).values():
                self._add_entries(section, position, has_sections=False)
        elif isinstance(value, list | None):
            for item in cast(list[Any], value or []):
                self._add_entry(item, position, {}, {})
        else:
            self._composer.report(position, "'entries' must be a list, or a mapping of lists")

    def _parse_entry(self, event: Any) -> None:
        self._composer.start_entry()
        positions: Positions = {}
        nested: dict[str, Positions] = {name: {} for name in NESTED_FIELDS}
        value = self._composer.compose(event, positions, nested)
        self._add_entry(value, locate_event(event), positions, nested)

    def _add_entry(
        self, value: Any, position: Position, positions: Positions, nested: Mapping[str, Positions]
    ) -> None:
        if isinstance(value, dict):
            fields = _Fields(self._composer, cast(dict[str, Any], value), position, positions)
            self._entries.append(_build_entry(fields, nested))
        else:
            self._composer.report(position, "an entry must be a mapping")

    def _build_document(self, fields: Mapping[str, Any], positions: Positions) -> ParsedDocument:
        checks = _Fields(self._composer, fields, START, positions)
        if fields.get("version", VERSION) != VERSION:
            checks.report("version", f"unsupported blueprint: expected 'version: {VERSION}'")
        metadata = checks.read_mapping("metadata")
        name = metadata.get("name")
        if not isinstance(name, str | None):
            checks.report("metadata", "the name in 'metadata' must be a string")
        labels = metadata.get("labels")
        is_snapshot = (
            isinstance(labels, dict)
            and (SNAPSHOT_LABEL, "true") in cast(dict[Any, Any], labels).items()
        )
        return ParsedDocument(name, checks.read_mapping("context"), is_snapshot)


class _Fields:
    """The fields of an entry or of a document, with their checks."""

    def __init__(
        self,
        composer: Composer,
        fields: Mapping[str, Any],
        position: Position,
        positions: Positions,
    ) -> None:
        self.fields = fields
        self.position = position
        self._composer = composer
        self._positions = positions

    def locate(self, name: str) -> Position:
        """Return the position of a field, or of the merge or alias that it is from."""
        return self._positions.get(name) or self._positions.get(MERGE, self.position)

    def report(self, name: str, message: str) -> None:
        """Add an error at a field."""
        self._composer.report(self.locate(name), message)

    def read_model(self) -> Any:
        """Return the model, which can be a tag."""
        model = self.fields.get("model")
        if not isinstance(model, str | Tag):
            self.report("model", "an entry requires a 'model' such as authentik_flows.flow")
        return model

    def read_mapping(self, name: str) -> Mapping[str, Any]:
        """Return a mapping, which is empty for null."""
        value = self.fields.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.report(name, f"'{name}' must be a mapping")
            return {}
        mapping = cast(dict[Any, Any], value)
        if not all(isinstance(key, str) for key in mapping):
            self.report(name, f"the names in '{name}' must be strings; others require quotes")
        return mapping

    def read_list(self, name: str) -> Sequence[Any]:
        """Return a list, which is empty for null."""
        value = self.fields.get(name)
        if not isinstance(value, list | None):
            self.report(name, f"'{name}' must be a list")
            return ()
        return cast(list[Any], value or [])

    def read_scalar(self, name: str) -> Any:
        """Return a scalar, null or a tag."""
        value = self.fields.get(name)
        if isinstance(value, dict | list | set):
            self.report(name, f"'{name}' must be a string")
        return cast(Any, value)

    def list_positions(self) -> Positions:
        """Return the positions of the other fields, as in Entry."""
        return {f".{name}": self.locate(name) for name in OTHER_FIELDS if name in self.fields}

    def list_nested_positions(
        self, name: str, mapping: Mapping[str, Any], positions: Positions
    ) -> Positions:
        """Return the positions of the keys of a mapping. Some can be from a merge or an alias."""
        if len(positions) == len(mapping) and MERGE not in positions:
            return positions
        default = positions.get(MERGE) or self.locate(name)
        return {key: positions.get(key, default) for key in mapping}


def _build_entry(fields: _Fields, nested: Mapping[str, Positions]) -> EntryFields:
    identifiers, attrs = fields.read_mapping("identifiers"), fields.read_mapping("attrs")
    state = fields.read_scalar("state")
    positions = fields.list_positions()
    for name, mapping in (("attrs", attrs), ("identifiers", identifiers)):
        positions |= fields.list_nested_positions(name, mapping, nested.get(name, {}))
    return (
        fields.position,
        fields.read_model(),
        identifiers,
        attrs,
        fields.read_scalar("id"),
        "present" if state is None else state,
        fields.read_list("conditions"),
        positions,
    )
