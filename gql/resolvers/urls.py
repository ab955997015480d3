"""What authentik makes of a flow's stored values for its readers: addresses of pages and pictures."""

from collections.abc import Mapping

DEFAULT_BACKGROUND = "/static/dist/assets/images/flow_background.jpg"
THEME = "%(theme)s"


def background_url(background: str, schema: str) -> str:
    """Where the picture behind a flow is."""
    if not background:
        return DEFAULT_BACKGROUND
    if background.startswith(("http", "/static")):
        return background
    return f"/media/{schema}/{background}"


def background_themed_urls(background: str, schema: str) -> Mapping[str, str] | None:
    """Where the pictures for light and dark are, None where one picture serves both."""
    if THEME not in background:
        return None
    url = background_url(background, schema)
    return {theme: url.replace(THEME, theme) for theme in ("light", "dark")}


def export_url(slug: str, _context: object = None) -> str:
    """Where a flow can be had as a blueprint, whoever asks."""
    return f"/api/v3/flows/instances/{slug}/export/"
