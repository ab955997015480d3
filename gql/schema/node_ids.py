"""Global ids: what a node can be asked for again by, whatever its type."""

import base64
import binascii
import uuid
from collections.abc import Container
from typing import NamedTuple

from gql.errors import BadUserInputError

SEPARATOR = ":"


class GlobalId(NamedTuple):
    """Tells the id of an object of this type, out of its primary key."""

    type: str

    def __call__(self, pk: str, _context: object) -> str:
        """The id: opaque, and the same for ever."""
        return base64.urlsafe_b64encode(f"{self.type}{SEPARATOR}{pk}".encode()).decode()


def decode_node_id(text: str, types: Container[str]) -> tuple[str, str]:
    """The type, one of these, and the primary key that an id stands for; raises BadUserInputError."""
    try:
        type_, _, key = (
            base64.b64decode(text.encode(), b"-_", validate=True).decode().partition(SEPARATOR)
        )
        pk = str(uuid.UUID(key))
    except (binascii.Error, ValueError):
        type_, pk = "", text
    # Each node has one id, in one spelling.
    if type_ not in types or GlobalId(type_)(pk, None) != text:
        raise BadUserInputError("id is no id of a node of this graph.")
    return type_, pk
