"""The limits of a request, and the error for exceeding one."""

from collections.abc import Collection
from dataclasses import dataclass, fields

from graphql import GraphQLError, Node, Source

from gql.errors import LimitExceededError
from models.search_terms import split_terms


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one request. Raises ValueError if one is below 1.

    `body` is in bytes. `depth` counts levels of fields, and of input objects. `cost` counts each
    field, with the terms of its search, once for every time that it may occur in the response;
    `introspection_cost` counts the fields of introspection, in lists of ten items.
    `conditions` counts input objects, `objects` those in lists of the response. `search_length` is
    in characters.
    """

    body: int = 100_000
    tokens: int = 2_000
    depth: int = 12
    aliases: int = 30
    directives: int = 50
    root_fields: int = 20
    cost: int = 10_000
    introspection_cost: int = 100_000
    seconds: float = 10
    conditions: int = 100
    objects: int = 100_000
    search_terms: int = 100
    search_length: int = 1_000

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            # `value < 1` would accept NaN.
            if not value >= 1:
                raise ValueError(f"'{limit.name}' must be at least 1, not {value}.")

    def split_search(self, text: str) -> tuple[str, ...]:
        """Return the terms of a search. Raises LimitExceededError."""
        # A string within the limit takes little time to split.
        _check_count(len(text), "characters", self.search_length)
        terms = split_terms(text)
        _check_count(len(terms), "terms", self.search_terms)
        return terms


DEFAULTS = Limits()
# This number of characters of a diagram counts as an object. Nodes and edges are objects.
TEXT_UNIT = 100


@dataclass(slots=True)
class ResponseSize:
    """The number of objects in the lists of a response, counted before they are completed.

    The cost of an operation only estimates the length of lists, and nested lists multiply it.
    """

    limit: int = DEFAULTS.objects
    objects: int = 0

    def add(self, objects: int) -> bool:
        """Count objects; return False if there are too many, so that no more have to be read."""
        self.objects += objects
        return self.objects <= self.limit

    def add_texts(self, characters: int) -> bool:
        """Count the characters of diagrams; return False if there are too many."""
        return self.add(characters // TEXT_UNIT)

    def check(self) -> None:
        """Raise LimitExceededError if the response has too many objects."""
        if self.objects > self.limit:
            raise LimitExceededError(
                f"The response would have too many objects: the limit is {self.limit}."
            )


def build_limit_error(
    message: str,
    node: Node | None = None,
    *,
    source: Source | None = None,
    positions: Collection[int] | None = None,
) -> GraphQLError:
    """Return the error for an exceeded limit, located at a node or at positions of a source."""
    cause = LimitExceededError(message)
    return GraphQLError(message, node, source, positions, original_error=cause)


def _check_count(count: int, unit: str, limit: int) -> None:
    if count > limit:
        raise LimitExceededError(f"The search has {count} {unit}: the limit is {limit}.")
