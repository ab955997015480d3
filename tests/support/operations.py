"""GraphQL requests of every shape for a schema, valid and invalid, generated from bytes."""

from graphql import GraphQLSchema

from support.operation_flaws import FLAWS, FLAWS_BY_PART
from support.operation_generator import Chance, OperationGenerator, RandomGraphQLRequest

# The number of bytes for a request. Missing bytes result in the simplest choices.
SIZE = 700


def draw_request(
    schema: GraphQLSchema,
    data: bytes,
    flaw: str | None = None,
    *,
    others: int = 0,
    target: str = "",
) -> RandomGraphQLRequest:
    """Generate the request that the bytes determine.

    By default, a fifth of the requests have a flaw; "" means none. Most fields are on the path to
    the type `target`, if it is set. `others` is the number of further sets of variables.
    """
    chance = Chance(data)
    if flaw is None:
        flaw = chance.choice(FLAWS) if chance.happens(0.2) else ""
    return OperationGenerator(schema, chance, flaw, FLAWS_BY_PART, target).generate(others)
