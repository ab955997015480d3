"""Viewers of the edge-case data, for tests that call resolvers directly."""

from collections.abc import Iterable

from models.queries.rights import ALL_RIGHTS, ROLES, Access, Permission, Rights
from models.queries.viewer import Viewer
from support.edge_case_data import MODEL_PERMISSION, PERMISSIONS, identifier

ALL_VIEWER = Viewer(ALL_RIGHTS, {})
NO_VIEWER = Viewer(Rights(), {})


def build_restricted_viewer(roles: Iterable[str]) -> Viewer:
    """Build the viewer that may see the flows of these roles, with everything below them."""
    ids = (MODEL_PERMISSION, PERMISSIONS[MODEL_PERMISSION][0])
    parameters = {
        ROLES: [identifier("role", role) for role in roles],
        **dict(zip(Permission.VIEW_FLOW.parameters, ids, strict=True)),
    }
    return Viewer(ALL_RIGHTS._replace(view_flow=Access.SOME), parameters)
