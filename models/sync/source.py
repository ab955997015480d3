"""The authentik that a sync reads."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from models.errors import SyncError

API_PATH = "/api/v3/"
SCHEMES = ("http", "https")
INVALID_URL = "invalid URL of authentik: expected one like https://authentik.example"


@dataclass(frozen=True, repr=False, slots=True)
class ApiSource:
    """authentik's API: its URL, a token, and the file of the certificates to trust.

    The URL is that of authentik or of its API; it can have a path before `/api/v3/`.
    """

    url: str
    token: str
    ca_file: Path | None = None

    def __repr__(self) -> str:
        """Return the source without secrets."""
        try:
            return f"ApiSource({self.display_url!r})"
        except SyncError:
            return "ApiSource(…)"

    @property
    def base_url(self) -> str:
        """The URL of the API, which paths follow; raises SyncError."""
        return f"{self.display_url.rstrip('/')}{API_PATH}"

    @property
    def display_url(self) -> str:
        """The URL of authentik without user information, query and fragment; raises SyncError."""
        parts = _split(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = "" if parts.port is None else f":{parts.port}"
        path = f"{parts.path.rstrip('/')}/".removesuffix(API_PATH).rstrip("/")
        return f"{parts.scheme}://{host}{port}{path}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        is_valid = parts.scheme in SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        raise SyncError(INVALID_URL) from None
    if not is_valid or any(map(_is_invalid, parts.netloc + parts.path)):
        raise SyncError(INVALID_URL)
    return parts


def _is_invalid(character: str) -> bool:
    return character.isspace() or not character.isprintable()
