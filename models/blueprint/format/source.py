"""The bytes of a blueprint file, with limits on its size and on the length of its scalars."""

import codecs
from collections.abc import Callable
from typing import Any, BinaryIO

from yaml.events import StreamStartEvent

from models.blueprint.format.entry import Position

MIB = 1 << 20
MAX_FILE_BYTES = 256 * MIB
MAX_SCALAR_CHARACTERS = MIB
# libyaml keeps a whole scalar, in up to four bytes for each character, before it returns an event.
MAX_EVENT_BYTES = 4 * MIB
FILE_TOO_LARGE = f"the file is larger than {MAX_FILE_BYTES // MIB} MiB"
SCALAR_TOO_LONG = "a scalar or a comment is longer than 1 MiB"
# Each tag is compared with all directives.
MAX_HEAD_BYTES = MIB // 4
HEAD_TOO_LONG = "the comments and directives before the document are longer than 256 KiB"
CHUNK_BYTES = 65536


class SourceError(Exception):
    """The file exceeds a limit."""


class Source:
    """A stream for libyaml that reports the number of bytes of each read.

    The parser assigns each event to `event`: many bytes without a new event are one huge scalar.
    """

    def __init__(self, stream: BinaryIO, report: Callable[[int], object]) -> None:
        self.event: Any = None
        self._stream = stream
        self._report = report
        self._latest_event: Any = None
        self._event_bytes = 0
        self._total_bytes = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes; raises SourceError at a limit."""
        data = self._stream.read(size) or b""  # a FIFO without data returns None
        self._total_bytes += len(data)
        if self._total_bytes > MAX_FILE_BYTES:
            raise SourceError(FILE_TOO_LARGE)
        self._count_event_bytes(len(data))
        self._report(len(data))
        return data

    def _count_event_bytes(self, size: int) -> None:
        if self.event is not self._latest_event:
            self._latest_event = self.event
            self._event_bytes = 0
        self._event_bytes += size
        is_head = isinstance(self.event, StreamStartEvent | None)
        if self._event_bytes > (MAX_HEAD_BYTES if is_head else MAX_EVENT_BYTES):
            raise SourceError(HEAD_TOO_LONG if is_head else SCALAR_TOO_LONG)

    def find_position(self, offset: int) -> Position:
        """Return the position of the byte at an offset."""
        self._stream.seek(0)
        decoder = codecs.getincrementaldecoder(self._detect_encoding())("replace")
        line, column = 1, 1
        while offset > 0 and (data := self._stream.read(min(offset, CHUNK_BYTES))):
            offset -= len(data)
            *lines, rest = decoder.decode(data).split("\n")
            line += len(lines)
            column = len(rest) + (1 if lines else column)
        return (line, column)

    def _detect_encoding(self) -> str:
        is_utf16 = self._stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        self._stream.seek(0)
        return "utf-16" if is_utf16 else "utf-8-sig"
