"""The parameters of the REST endpoint, read as Django REST framework reads them."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal
from urllib.parse import parse_qsl

from gql.errors import BadUserInputError
from models.queries.flows import BY_SLUG, MAX_PAGE_SIZE, FlowQuery, Ordering
from models.search_terms import terms
from models.tables.flow import FlowDeniedAction, FlowDesignation

DEFAULT_PAGE_SIZE = 20
NULL_CHARACTERS = "Null characters are not allowed."


class InvalidParametersError(BadUserInputError):
    """Parameters that cannot be used; `problems` is the body of the answer."""

    def __init__(self, problems: object) -> None:
        super().__init__(str(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Parameters:
    """A query string's parameters; of a repeated one, the last."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, query_string: bytes) -> "Parameters":
        """The parameters in a query string as it was sent."""
        try:
            text = query_string.decode()
        except UnicodeDecodeError:
            text = query_string.decode("latin-1")
        return cls(dict(parse_qsl(text, keep_blank_values=True)))

    def get(self, name: str) -> str:
        """A parameter's value, empty where it is not given."""
        return self.values.get(name, "")

    def search(self) -> tuple[str, ...]:
        """The terms that are searched for; raises InvalidParametersError."""
        text = self.get("search")
        if "\0" in text:
            raise InvalidParametersError([NULL_CHARACTERS])
        return terms(text)

    def query(self, search: tuple[str, ...], orderings: frozenset[str]) -> FlowQuery:
        """The whole question; raises InvalidParametersError that tells all that is wrong."""
        filters = dict(self._filters())
        problems = {name: [value.problem] for name, value in filters.items() if value.problem}
        if problems:
            raise InvalidParametersError(problems)
        return FlowQuery(
            pk=filters["flow_uuid"].value,
            name=filters["name"].value,
            slug=filters["slug"].value,
            designation=filters["designation"].value,
            denied_action=filters["denied_action"].value,
            search=search,
            ordering=tuple(self._ordering(orderings)) or (BY_SLUG,),
            page=_page(self.get("page")),
            page_size=_page_size(self.get("page_size")),
        )

    def _filters(self) -> Iterator[tuple[str, "Filter"]]:
        yield "flow_uuid", _uuid(self.get("flow_uuid").strip())
        yield "name", _text(self.get("name").strip())
        yield "slug", _text(self.get("slug").strip())
        yield "designation", _choice(self.get("designation"), FlowDesignation)
        yield "denied_action", _choice(self.get("denied_action"), FlowDeniedAction)

    def _ordering(self, known: frozenset[str]) -> Iterator[Ordering]:
        for term in self.get("ordering").split(","):
            ordering = Ordering.parse(term.strip())
            if ordering.name in known:
                yield ordering


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter's value, None where it filters nothing, or what is wrong with it."""

    value: str | None = None
    problem: str | None = None


def _uuid(text: str) -> Filter:
    try:
        return Filter(str(uuid.UUID(text)) if text else None)
    except ValueError:
        return Filter(problem="Enter a valid UUID.")


def _text(text: str) -> Filter:
    return Filter(problem=NULL_CHARACTERS) if "\0" in text else Filter(text or None)


def _choice(text: str, choices: type[Enum]) -> Filter:
    if not text or text in {choice.value for choice in choices}:
        return Filter(text or None)
    return Filter(problem=f"Select a valid choice. {text} is not one of the available choices.")


def _page(text: str) -> int | Literal["last"]:
    """The page's number; what is no number is page 0, which does not exist."""
    if text == "last":
        return "last"
    try:
        return int(text or 1)
    except ValueError:
        return 0


def _page_size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        return DEFAULT_PAGE_SIZE
    return min(size, MAX_PAGE_SIZE) if size > 0 else DEFAULT_PAGE_SIZE
