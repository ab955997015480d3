"""The files that pages need, each at an address that tells its content: kept by browsers for good."""

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gql.explorer.packages import VENDOR

STATIC = Path(__file__).with_name("static")
STATIC_PATH = "/explorer"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# A file at this address never changes: what does has another.
IMMUTABLE = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
DIGITS = 16


@dataclass(frozen=True)
class File:
    """A file's bytes, and what they are."""

    path: Path
    content: bytes

    @property
    def address(self) -> str:
        """Where it is, below FOLDER: its name with a digest of its content."""
        digest = hashlib.sha256(self.content).hexdigest()[:DIGITS]
        return f"{self.path.stem}.{digest}{self.path.suffix}"

    @cached_property
    def compressed(self) -> bytes:
        """The bytes, gzipped as soon as somebody asks; the same whenever that is."""
        return gzip.compress(self.content, mtime=0)

    def response(self, encodings: str) -> Response:
        """The file, compressed for who takes that."""
        media_type = MEDIA_TYPES[self.path.suffix]
        if "gzip" not in encodings:
            return Response(self.content, 200, IMMUTABLE, media_type)
        return Response(self.compressed, 200, {**IMMUTABLE, "Content-Encoding": "gzip"}, media_type)


@dataclass(frozen=True, slots=True)
class Files:
    """All files that there are: by their addresses, and these by their names."""

    by_address: Mapping[str, File]
    addresses: Mapping[str, str]

    async def answer(self, request: Request) -> Response:
        """The file of the address that is asked for."""
        file = self.by_address.get(request.path_params["address"])
        if file is None:
            return Response(status_code=404)
        return file.response(request.headers.get("accept-encoding", ""))


def read_files() -> Files:
    """Our own files, and those of GraphiQL that are installed."""
    found = [_read(path, path.stat().st_mtime_ns) for path in sorted(_paths())]
    addresses = {file.path.name: file.address for file in found}
    return Files({file.address: file for file in found}, addresses)


def _paths() -> Iterable[Path]:
    folders = (STATIC, VENDOR)
    return (path for folder in folders for path in folder.glob("*") if path.suffix in MEDIA_TYPES)


@cache
def _read(path: Path, _changed: int) -> File:
    """A file; it is compressed but once, however many applications a process has."""
    return File(path, path.read_bytes())
