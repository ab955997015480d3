"""URLs that authentik derives from the columns of a flow."""

from collections.abc import Mapping

from models.tables.flow import DEFAULT_BACKGROUND

THEME = "%(theme)s"
# authentik's paths of its API, and of the list of flows below it.
API_PATH = "/api/v3"
FLOWS_PATH = "/flows/instances/"


def background_url(background: str, schema: str) -> str:
    """Return the URL of a flow's background image. `schema` is the tenant's PostgreSQL schema.

    authentik serves the image, so FlowQL's root path is not part of the URL.
    """
    if not background:
        return DEFAULT_BACKGROUND
    if background.startswith(("http", "/static")):
        return background
    return f"/media/{schema}/{background}"


def background_themed_urls(background: str, schema: str) -> Mapping[str, str] | None:
    """Return the URLs of the background images by theme; None if all themes share one image."""
    if THEME not in background:
        return None
    url = background_url(background, schema)
    return {theme: url.replace(THEME, theme) for theme in ("light", "dark")}


def export_url(slug: str, root_path: str) -> str:
    """Return the path that exports a flow as a blueprint, for a server below `root_path`.

    It is below /api/v3 in every dialect, as in every version of authentik. The export at this path
    does not depend on the dialect.
    """
    return f"{root_path}{API_PATH}{FLOWS_PATH}{slug}/export/"
