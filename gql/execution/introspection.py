"""The introspection query that tools send, and the limits that it requires."""

from collections.abc import Mapping

import orjson
from graphql import GraphQLSchema, OperationDefinitionNode, get_introspection_query
from graphql.language.parser import Parser

from gql.execution.cost import MAX_COUNT
from gql.execution.limit_checks import DocumentLimits
from gql.limits import Limits

# Clients, code generators and GraphiQL send it, most of them with fewer of the options.
INTROSPECTION_QUERY = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
    one_of=True,
)


def find_minimum_limits(schema: GraphQLSchema) -> Mapping[str, int]:
    """Return the least limits that admit the introspection query, by name. Others can be 1."""
    parser = Parser(INTROSPECTION_QUERY)
    document = parser.parse_document()
    limits = DocumentLimits(schema, document, Limits(introspection_cost=MAX_COUNT))
    nodes = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return {
        "introspection_cost": limits.check_operation(next(nodes)).cost.introspection_cost,
        "tokens": parser.token_count,
        "body": len(orjson.dumps({"query": INTROSPECTION_QUERY})),
    }
