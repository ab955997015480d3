"""What schemathesis knows of FlowQL: which UUIDs there are, and what no answer may be.

It is loaded by schemathesis, in an environment that has nothing of FlowQL.
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

KNOWN_UUIDS = os.environ["FLOWQL_UUIDS"].split()
UUIDS = st.sampled_from(KNOWN_UUIDS) | st.uuids().map(str) | st.sampled_from(["", "x", "\0"])
schemathesis.graphql.scalar("UUID", UUIDS.map(lambda text: graphql.StringValueNode(value=text)))


@schemathesis.check
def no_server_error(_context: Any, response: Any, _case: Any) -> None:
    """The status is the client's at worst, and each error says what the client did.

    The built-in check takes a stored value that the schema does not know for a failure of the server.
    """
    assert response.status_code < 500, response.text
    errors = response.json().get("errors", [])
    codes = {error.get("extensions", {}).get("code") for error in errors}
    assert codes <= CODES, response.text


# What a page does without; the cursors are of the order that holds where none is asked for.
AGAINST: list[set[str]] = [
    {"last", "before", "orderBy"},
    {"first", "after", "orderBy"},
    {"last", "before", "after"},
    set(),
]


class OneWay(graphql.Visitor):
    """Makes most pages of a connection go one way, as schemathesis would have them go both."""

    def enter_field(self, node: Any, *_: Any) -> Any:
        """Take some arguments out: how long the field is decides which."""
        named = {argument.name.value: argument for argument in node.arguments}
        if "last" not in named:
            return None
        against = AGAINST[len(graphql.print_ast(node)) % len(AGAINST)]
        kept = [argument for name, argument in named.items() if name not in against]
        return replace(node, arguments=type(node.arguments)(kept))


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """Let a quarter of the connections be asked for as schemathesis thought of it."""
    return graphql.visit(body, OneWay())
