"""Opaque cursors: URL-safe base64 of a JSON list.

The list contains the version, the ordering, and the values that the row is sorted by.
"""

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final, cast

import orjson

from gql.errors import BadUserInputError
from models.batch import Batch
from models.queries.flows import UUID_COLUMNS, Ordering

# Increment it whenever the content of cursors changes.
VERSION: Final = 1
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BOOLEANS = frozenset({"compatibility_mode"})


def encode_cursors(prefix: str, ordering: Sequence[Ordering], rows: Batch) -> Sequence[str]:
    """Return the cursors of rows, which have the columns of the ordering.

    `prefix` is that of the list, so that no other list accepts them.
    """
    terms = _render_ordering(prefix, ordering)
    sort_columns = [rows.columns[term.name] for term in ordering] if rows.size else ()
    return [_encode(terms, values) for values in zip(*sort_columns, strict=True)]


def decode_cursor(
    argument: str, cursor: str, prefix: str, ordering: Sequence[Ordering]
) -> Sequence[Any]:
    """Return the sort values of a cursor, one for each term of the ordering.

    Raises BadUserInputError, naming the argument, if the cursor is invalid for this ordering of the
    list with this prefix.
    """
    values, terms = _decode(cursor), _render_ordering(prefix, ordering)
    # Only the canonical encoding is a cursor.
    if not (_are_sort_values(values, ordering) and _encode(terms, values) == cursor):
        raise BadUserInputError(
            f"'{argument}' is not a valid cursor for this list and its ordering."
            " Use a cursor that the same field returned with the same ordering."
        )
    return values


def _render_ordering(prefix: str, ordering: Sequence[Ordering]) -> str:
    terms = (f"-{term.name}" if term.descending else term.name for term in ordering)
    return prefix + ",".join(terms)


def _encode(terms: str, values: Sequence[Any]) -> str:
    return urlsafe_b64encode(orjson.dumps([VERSION, terms, *values])).decode()


def _decode(cursor: str) -> Sequence[Any]:
    """Return the values after the version and the ordering, empty if the cursor is malformed."""
    try:
        content = orjson.loads(b64decode(cursor, altchars=b"-_", validate=True))
    except ValueError:
        return ()
    return cast(list[Any], content)[2:] if isinstance(content, list) else ()


def _are_sort_values(values: Sequence[Any], ordering: Sequence[Ordering]) -> bool:
    if len(values) != len(ordering):
        return False
    pairs = zip(ordering, values, strict=True)
    return all(_is_sort_value(term.name, value) for term, value in pairs)


def _is_sort_value(column: str, value: Any) -> bool:
    if column in BOOLEANS:
        return isinstance(value, bool)
    if not isinstance(value, str) or "\0" in value:
        return False
    return column not in UUID_COLUMNS or bool(UUID.fullmatch(value))
