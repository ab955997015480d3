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


class OneWay(graphql.Visitor):
    """Makes most pages of a connection go one way, in the order that the cursors are of."""

    def enter_field(self, node: Any, *_: Any) -> Any:
        """Take out of the arguments what goes against the others."""
        named = {argument.name.value: argument for argument in node.arguments}
        if "first" not in named or len(named) % 3 == 0:
            return None
        against = {"last", "before", "orderBy"}
        kept = [argument for name, argument in named.items() if name not in against]
        return replace(node, arguments=type(node.arguments)(kept))


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """Let a third of the connections be asked for as schemathesis thought of it."""
    return graphql.visit(body, OneWay())
