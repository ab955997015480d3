"""The table of rights, compared with the schema and the endpoints."""

import re
from collections.abc import Iterator, Mapping

from graphql import (
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    build_schema,
    is_composite_type,
    is_introspection_type,
)

from gql.rest.endpoint import ENDPOINTS
from models.queries.rights import RIGHTS
from support.paths import SCHEMA
from support.schema_fields import is_list, is_non_null, named_type_of, type_of

PERMISSION = re.compile(r"`(view_\w+)`")
GRAPHQL = build_schema(SCHEMA.read_text())
# These are null if a policy binding binds another kind of object.
BOUND_OBJECTS = {"PolicyBinding.policy", "PolicyBinding.group", "PolicyBinding.user"}
# It is null only if it cannot be drawn, which does not affect the flow.
DRAWN_OBJECT = "Flow.diagramGraph"
# The table has a row for each type of node. Too many IDs make the list null.
NODE_FIELD = "Query.node"
NODES_FIELD = "Query.nodes"

Field = GraphQLField | GraphQLInputField


def list_fields() -> Iterator[tuple[str, Field]]:
    """Yield the fields of the schema with their coordinates."""
    for type_ in GRAPHQL.type_map.values():
        if is_introspection_type(type_):
            continue
        if isinstance(type_, GraphQLObjectType | GraphQLInputObjectType):
            fields: Mapping[str, Field] = {**type_.fields}
            yield from ((f"{type_.name}.{name}", field) for name, field in fields.items())


FIELDS = dict(list_fields())


def test_rights_are_of_existing_fields() -> None:
    """Every key is a field of the schema, `node` with a type of node, or a path of REST."""
    nodes = {name for name, type_ in GRAPHQL.type_map.items() if implements_node(type_)}
    node_keys = {f"{NODE_FIELD}({name})" for name in nodes}
    paths = {f"flows/instances/{endpoint.path}" for endpoint in ENDPOINTS}
    assert RIGHTS.keys() - FIELDS.keys() == node_keys | paths


def implements_node(type_: object) -> bool:
    """Return whether a type is an object type with the interface Node."""
    if not isinstance(type_, GraphQLObjectType):
        return False
    return "Node" in {interface.name for interface in type_.interfaces}


def test_rights_equal_descriptions() -> None:
    """A field requires the permissions that its description names, in addition to `view_flow`."""
    for coordinate, field in FIELDS.items():
        codenames = {right.permission.codename for right in RIGHTS.get(coordinate, ())}
        described = set(PERMISSION.findall(field.description or ""))
        assert codenames - {"view_flow"} == described, coordinate


def test_rights_include_nullable_objects() -> None:
    """Every field that may be null instead of an object or a list requires rights."""
    nullable = {name for name, field in FIELDS.items() if may_lack_objects(field)}
    assert nullable - RIGHTS.keys() == BOUND_OBJECTS | {NODE_FIELD, NODES_FIELD, DRAWN_OBJECT}


def may_lack_objects(field: Field) -> bool:
    """Return whether a field has a nullable object or list as its output."""
    if isinstance(field, GraphQLInputField) or is_non_null(type_of(field)):
        return False
    return is_list(type_of(field)) or is_composite_type(named_type_of(field))


def test_fields_with_rights_are_nullable() -> None:
    """A field that requires more than `view_flow` is null, with an error, without it."""
    for coordinate, rights in RIGHTS.items():
        field = FIELDS.get(coordinate)
        if field and {right.permission.codename for right in rights} != {"view_flow"}:
            assert not is_non_null(type_of(field)), coordinate
