"""Cursors: where a flow lies in an order, in a text that is nobody's business but ours."""

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final, cast

import orjson

from gql.errors import BadUserInputError
from models.batch import Batch
from models.queries.flows import UUIDS, Ordering

# Whoever changes what a cursor holds counts on.
VERSION: Final = 1
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BOOLEANS = frozenset({"compatibility_mode"})


def encode_cursors(ordering: Sequence[Ordering], flows: Batch) -> Sequence[str]:
    """The cursor of each flow, which has the columns that it is sorted by."""
    order = _order(ordering)
    sorted_by = [flows.columns[term.name] for term in ordering] if flows.size else ()
    return [_encode(order, values) for values in zip(*sorted_by, strict=True)]


def decode_cursor(argument: str, cursor: str, ordering: Sequence[Ordering]) -> Sequence[Any]:
    """The values that a flow of this cursor is sorted by; raises BadUserInputError."""
    order = _order(ordering)
    values = _decode(cursor)
    # There is one way to write a cursor, and any other text is none.
    if not _are_sortable(values, ordering) or _encode(order, values) != cursor:
        raise BadUserInputError(
            f"{argument} is no cursor of this list in this order: take one that the list has given"
            " for the same orderBy."
        )
    return values


def _order(ordering: Sequence[Ordering]) -> str:
    return ",".join(f"-{term.name}" if term.descending else term.name for term in ordering)


def _encode(order: str, values: Sequence[Any]) -> str:
    return urlsafe_b64encode(orjson.dumps([VERSION, order, *values])).decode()


def _decode(cursor: str) -> Sequence[Any]:
    """What stands behind version and order, if there is anything like that."""
    try:
        told = orjson.loads(b64decode(cursor, altchars=b"-_", validate=True))
    except ValueError:
        return ()
    return cast(list[Any], told)[2:] if isinstance(told, list) else ()


def _are_sortable(values: Sequence[Any], ordering: Sequence[Ordering]) -> bool:
    if len(values) != len(ordering):
        return False
    return all(_is_sortable(term.name, value) for term, value in zip(ordering, values, strict=True))


def _is_sortable(name: str, value: Any) -> bool:
    if name in BOOLEANS:
        return isinstance(value, bool)
    if not isinstance(value, str) or "\0" in value:
        return False
    return name not in UUIDS or bool(UUID.fullmatch(value))
