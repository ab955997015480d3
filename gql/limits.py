"""What a request may cost at most, and how it is told that it costs more."""

from collections.abc import Collection
from dataclasses import dataclass, fields

from graphql import GraphQLError, Node, Source

from gql.errors import LimitExceededError


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for at most; raises ValueError for a limit below 1.

    `body` is in bytes. `depth` is in levels of fields, and of input objects. `cost` counts a field
    once for each time that it may be told. `conditions` are input objects.
    """

    body: int = 100_000
    tokens: int = 2_000
    depth: int = 12
    aliases: int = 30
    directives: int = 50
    root_fields: int = 20
    cost: int = 10_000
    seconds: float = 10
    conditions: int = 100

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            # What is no number is not above 1 either.
            if not value >= 1:
                raise ValueError(f"{limit.name} is {value}: a limit is at least 1.")


DEFAULTS = Limits()


def build_limit_error(
    message: str,
    node: Node | None = None,
    *,
    source: Source | None = None,
    positions: Collection[int] | None = None,
) -> GraphQLError:
    """The error of a request that is over a limit; it stands at a node, or somewhere in a text."""
    cause = LimitExceededError(message)
    return GraphQLError(message, node, source, positions, original_error=cause)
