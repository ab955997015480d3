"""Hooks of schemathesis for GraphQL: stored UUIDs, and a check of statuses and error codes.

schemathesis loads this file in an environment without FlowQL.
"""

import importlib
import os
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

graphql: Any = importlib.import_module("graphql")
schemathesis: Any = importlib.import_module("schemathesis")

CODES = {
    "BAD_USER_INPUT",
    "UNKNOWN_ENUM_VALUE",
    "LIMIT_EXCEEDED",
    "PERSISTED_QUERY_NOT_FOUND",
}

STORED_UUIDS = os.environ["FLOWQL_UUIDS"].split()
UUIDS = st.sampled_from(STORED_UUIDS) | st.uuids().map(str) | st.sampled_from(["", "x", "\0"])
schemathesis.graphql.scalar("UUID", UUIDS.map(lambda text: graphql.StringValueNode(value=text)))


@schemathesis.check
def no_server_error(_context: Any, response: Any, _case: Any) -> None:
    """Fail on a status of 500 or above, or an error code that is not the client's fault.

    The built-in check also fails on stored enum values that the schema does not know.
    """
    assert response.status_code < 500, response.text
    errors = response.json().get("errors", [])
    codes = {error.get("extensions", {}).get("code") for error in errors}
    assert codes <= CODES, response.text


# Arguments to remove from a connection. The cursors are only valid for the default order.
REMOVED_ARGUMENTS: list[set[str]] = [
    {"last", "before", "orderBy"},
    {"first", "after", "orderBy"},
    {"last", "before", "after"},
    set(),
]


class ArgumentRemover(graphql.Visitor):
    """A visitor that removes conflicting arguments from connections."""

    def enter_field(self, node: Any, *_: Any) -> Any:
        """Remove the arguments of one of the sets, chosen by the length of the field."""
        arguments = {argument.name.value: argument for argument in node.arguments}
        if "last" not in arguments:
            return None
        removed = REMOVED_ARGUMENTS[len(graphql.print_ast(node)) % len(REMOVED_ARGUMENTS)]
        kept = [argument for name, argument in arguments.items() if name not in removed]
        return replace(node, arguments=type(node.arguments)(kept))


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """Remove arguments from three of four connections."""
    return graphql.visit(body, ArgumentRemover())
