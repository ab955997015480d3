"""The query parameters of the REST endpoints, parsed as Django REST framework parses them."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal
from urllib.parse import parse_qsl

from gql.errors import LimitExceededError
from gql.limits import Limits
from gql.rest.errors import InvalidParametersError
from models.queries.flows import BY_SLUG, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, FlowQuery, Ordering
from models.tables.flow import FlowDeniedAction, FlowDesignation

NULL_CHARACTERS = "Null characters are not allowed."


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a query string. The last of repeated parameters wins."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, query_string: bytes) -> "Parameters":
        """Parse a raw query string. Bytes that are not UTF-8 are read as Latin-1."""
        try:
            text = query_string.decode()
        except UnicodeDecodeError:
            text = query_string.decode("latin-1")
        return cls(dict(parse_qsl(text, keep_blank_values=True)))

    def get(self, name: str) -> str:
        """Return the value of a parameter, or an empty string if the request has none."""
        return self.values.get(name, "")

    def check_search(self) -> None:
        """Raise InvalidParametersError if `search` has a NUL."""
        if "\0" in self.get("search"):
            raise InvalidParametersError([NULL_CHARACTERS])

    def build_query(self, orderings: frozenset[str], limits: Limits) -> FlowQuery:
        """Return the query. Unknown orderings are ignored.

        Raises InvalidParametersError, with a message for each invalid filter, or for a search that
        exceeds a limit.
        """
        filters = dict(self._parse_filters())
        messages = {name: [value.message] for name, value in filters.items() if value.message}
        if messages:
            raise InvalidParametersError(messages)
        return FlowQuery(
            pk=filters["flow_uuid"].value,
            name=filters["name"].value,
            slug=filters["slug"].value,
            designation=filters["designation"].value,
            denied_action=filters["denied_action"].value,
            search=self._split_search(limits),
            ordering=tuple(self._parse_ordering(orderings)) or (BY_SLUG,),
            page=_parse_page(self.get("page")),
            page_size=_parse_page_size(self.get("page_size")),
        )

    def _parse_filters(self) -> Iterator[tuple[str, "Filter"]]:
        yield "flow_uuid", _parse_uuid(self.get("flow_uuid").strip())
        yield "name", _parse_string(self.get("name").strip())
        yield "slug", _parse_string(self.get("slug").strip())
        yield "designation", _parse_choice(self.get("designation"), FlowDesignation)
        yield "denied_action", _parse_choice(self.get("denied_action"), FlowDeniedAction)

    def _split_search(self, limits: Limits) -> tuple[str, ...]:
        try:
            return limits.split_search(self.get("search"))
        except LimitExceededError as error:
            raise InvalidParametersError({"search": [str(error)]}) from None

    def _parse_ordering(self, orderings: frozenset[str]) -> Iterator[Ordering]:
        for term in self.get("ordering").split(","):
            ordering = Ordering.parse(term.strip())
            if ordering.name in orderings:
                yield ordering


@dataclass(frozen=True, slots=True)
class Filter:
    """The value of a filter, None if the filter is empty, or the message of its error."""

    value: str | None = None
    message: str | None = None


def _parse_uuid(text: str) -> Filter:
    try:
        return Filter(str(uuid.UUID(text)) if text else None)
    except ValueError:
        return Filter(message="Enter a valid UUID.")


def _parse_string(text: str) -> Filter:
    return Filter(message=NULL_CHARACTERS) if "\0" in text else Filter(text or None)


def _parse_choice(text: str, choices: type[Enum]) -> Filter:
    if not text or text in {choice.value for choice in choices}:
        return Filter(text or None)
    return Filter(message=f"Select a valid choice. {text} is not one of the available choices.")


def _parse_page(text: str) -> int | Literal["last"]:
    """Return the page number. An invalid number becomes page 0, which does not exist."""
    if text == "last":
        return "last"
    try:
        return int(text or 1)
    except ValueError:
        return 0


def _parse_page_size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        return DEFAULT_PAGE_SIZE
    return min(size, MAX_PAGE_SIZE) if size > 0 else DEFAULT_PAGE_SIZE
