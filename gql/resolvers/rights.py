"""Checks of the rights that fields and endpoints require."""

from gql.errors import MissingPermissionError
from models.queries.rights import RIGHTS
from models.queries.viewer import Viewer


def require_rights(viewer: Viewer, coordinate: str, subject: str | None = None) -> None:
    """Raise MissingPermissionError if the viewer lacks a permission of a field or endpoint.

    `coordinate` is a key of RIGHTS; the message names `subject` instead, if it is given. The result
    depends on the viewer alone, never on stored objects.
    """
    missing = viewer.rights.find_missing(coordinate)
    if missing:
        labels = [permission.label for permission in missing]
        raise MissingPermissionError(subject or coordinate, labels)


def build_object_error(coordinate: str) -> MissingPermissionError:
    """Build the error of a field of an object for which the viewer lacks the permission."""
    labels = [right.permission.label for right in RIGHTS[coordinate]]
    return MissingPermissionError(coordinate, labels)
