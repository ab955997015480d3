"""Global IDs of nodes: URL-safe base64 of `Type:primary key`."""

import base64
import binascii
import uuid
from collections.abc import Container
from typing import NamedTuple

from gql.errors import BadUserInputError

SEPARATOR = ":"


class NodeIdEncoder(NamedTuple):
    """Field converter from the primary key of an object of one type to its global ID."""

    type: str

    def __call__(self, pk: str, _context: object) -> str:
        """Return the ID. It never changes; clients store it."""
        return encode_node_id(self.type, pk)


def encode_node_id(type_: str, pk: str) -> str:
    """Return the ID of the object of this type and primary key."""
    return base64.urlsafe_b64encode(f"{type_}{SEPARATOR}{pk}".encode()).decode()


def decode_node_id(argument: str, id_: str, types: Container[str]) -> tuple[str, str]:
    """Return the type and the primary key of an ID.

    Raises BadUserInputError, naming the argument, if `id_` is malformed or its type is not one of
    `types`.
    """
    try:
        type_, _, key = (
            base64.b64decode(id_.encode(), b"-_", validate=True).decode().partition(SEPARATOR)
        )
        pk = str(uuid.UUID(key))
    except (binascii.Error, ValueError):
        type_, pk = "", ""
    # A node has a single ID, so other spellings of the base64 or the UUID are invalid.
    if type_ not in types or encode_node_id(type_, pk) != id_:
        raise BadUserInputError(
            f"'{argument}' is not a valid node ID. Use an ID returned by this API."
        )
    return type_, pk
