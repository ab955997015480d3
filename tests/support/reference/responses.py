"""Response bodies of Django REST framework, for tests of the REST API."""

import json

NOT_FOUND = {"detail": "Not found."}
NO_FLOW = {"detail": "No Flow matches the given query."}
INVALID_PAGE = {"detail": "Invalid page."}
NOT_ACCEPTABLE = {"detail": "Could not satisfy the request Accept header."}
MISSING_TOKEN = {"detail": "Authentication credentials were not provided."}
INVALID_TOKEN = {"detail": "Token invalid/expired"}
FORBIDDEN = {"detail": "You do not have permission to perform this action."}
NUL = "Null characters are not allowed."


def format_method_error(method: str) -> dict[str, str]:
    """Return the body of a 405 response."""
    return {"detail": f'Method "{method}" not allowed.'}


def format_choice_error(value: str) -> list[str]:
    """Return the messages of a filter with an unknown enum value."""
    return [f"Select a valid choice. {value} is not one of the available choices."]


def parse_ordered(body: bytes) -> object:
    """Parse JSON with objects as lists of pairs, so that comparisons include the order of keys."""
    return json.loads(body, object_pairs_hook=list)
