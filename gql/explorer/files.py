"""Static files of the pages.

The URL of a file contains a digest of its content. Browsers may therefore cache it permanently.
"""

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gql.diagram.style import render_page_style
from gql.explorer.packages import VENDOR

STATIC = Path(__file__).with_name("static")
STATIC_PATH = "/explorer"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# The content at a URL never changes, because the URL contains its digest.
IMMUTABLE = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class File:
    """A static file and its content."""

    path: Path
    content: bytes

    @property
    def url_name(self) -> str:
        """The file's name with a digest of its content, which is its URL below STATIC_PATH."""
        digest = hashlib.sha256(self.content).hexdigest()[:DIGEST_LENGTH]
        return f"{self.path.stem}.{digest}{self.path.suffix}"

    @cached_property
    def compressed(self) -> bytes:
        """The content in gzip format, without a timestamp, which would change the bytes."""
        return gzip.compress(self.content, mtime=0)

    def build_response(self, accept_encoding: str) -> Response:
        """Return the content, compressed if the client accepts gzip."""
        media_type = MEDIA_TYPES[self.path.suffix]
        if "gzip" not in accept_encoding:
            return Response(self.content, 200, IMMUTABLE, media_type)
        return Response(self.compressed, 200, {**IMMUTABLE, "Content-Encoding": "gzip"}, media_type)


@dataclass(frozen=True, slots=True)
class Files:
    """All static files by their URL names, and the URL names by the names of the files."""

    by_url_name: Mapping[str, File]
    url_names: Mapping[str, str]

    async def respond(self, request: Request) -> Response:
        """Return the file with the requested URL name; raises HTTPException."""
        file = self.by_url_name.get(request.path_params["url_name"])
        if file is None:
            raise HTTPException(404)
        return file.build_response(request.headers.get("accept-encoding", ""))


def read_files() -> Files:
    """Read FlowQL's own static files and those of GraphiQL that are installed."""
    files = [_read(path, path.stat().st_mtime_ns) for path in sorted(_list_paths())]
    files.append(_render_diagram_style())
    url_names = {file.path.name: file.url_name for file in files}
    return Files({file.url_name: file for file in files}, url_names)


def _list_paths() -> Iterable[Path]:
    folders = (STATIC, VENDOR)
    return (path for folder in folders for path in folder.glob("*") if path.suffix in MEDIA_TYPES)


@cache
def _read(path: Path, _mtime: int) -> File:
    """Read a file. All applications in a process share it, and it is compressed only once."""
    return File(path, path.read_bytes())


@cache
def _render_diagram_style() -> File:
    return File(Path("diagram.css"), render_page_style().encode())
