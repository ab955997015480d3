"""The reading of blueprint files, in a second process if they are large.

The second process parses the next file while this one imports the previous one, and its memory is
returned to the system at the end.
"""

import fcntl
import gc
import pickle
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import IO, Any, BinaryIO, cast

from models.blueprint.format.entry import META_MODEL, BlueprintFile, Entry
from models.blueprint.format.files import InputFile
from models.blueprint.format.parser import EntryFields, ParseErrors, parse
from models.blueprint.format.source import MIB
from models.blueprint.report import RunningTotal
from models.errors import BlueprintError

BATCH_ENTRIES = 500
# A second process takes a tenth of a second to start, in which a megabyte is half parsed.
MAX_IN_PROCESS_BYTES = MIB
REPORT_SECONDS = 0.1
BUFFER_BYTES = 65536
# The second process imports from the same folders, wherever FlowQL is installed.
BOOTSTRAP = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    " from models.blueprint.format.reading import main; main()"
)
# The names by which an entry refers to another file: its name in the metadata, or its path.
Reference = tuple[str, str]
Report = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some entries of a file, pickled. Each file has at least one batch, which can be empty."""

    file: BlueprintFile
    data: bytes
    is_last: bool

    def decode(self) -> list[Entry]:
        """Return the entries."""
        return [Entry(self.file, *fields) for fields in pickle.loads(self.data)]  # noqa: S301 - from our own process


@dataclass(frozen=True, slots=True)
class FileError:
    """A file that cannot be read or parsed, with messages of one line."""

    path: str
    messages: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Batches:
    """Pickles entries as they are parsed: that takes a tenth of their memory."""

    pickles: list[bytes] = field(default_factory=list[bytes])
    references: list[Reference] = field(default_factory=list[Reference])
    pending: list[EntryFields] = field(default_factory=list[EntryFields])

    def append(self, entry: EntryFields) -> None:
        """Add an entry."""
        self.pending.append(entry)
        self.references.extend(_find_references(entry))
        if len(self.pending) == BATCH_ENTRIES:
            self.flush()

    def clear(self) -> None:
        """Remove all entries."""
        for items in (self.pickles, self.references, self.pending):
            items.clear()

    def flush(self) -> None:
        """Pickle the last entries."""
        self.pickles.append(pickle.dumps(self.pending, pickle.HIGHEST_PROTOCOL))
        self.pending.clear()


@dataclass(frozen=True, slots=True, eq=False)
class _ParsedFile:
    file: BlueprintFile
    pickles: Sequence[bytes]
    references: Sequence[Reference]

    def build_batches(self) -> Iterator[Batch]:
        *others, last = self.pickles
        for data in others:
            yield Batch(self.file, data, is_last=False)
        yield Batch(self.file, last, is_last=True)

    def list_names(self) -> Iterator[Reference]:
        """Yield the references that other files can use for this one."""
        if self.file.name is not None:
            yield "name", self.file.name
        parts = self.file.path.split("/")
        for index in range(len(parts)):
            yield "path", "/".join(parts[index:])


def _find_references(entry: EntryFields) -> Iterator[Reference]:
    _, model, _, attrs, *_ = entry
    if isinstance(model, str) and model.lower() == META_MODEL:
        identifiers = attrs.get("identifiers")
        if isinstance(identifiers, dict):
            yield from _select_references(cast(dict[Any, Any], identifiers))


def _select_references(identifiers: Mapping[Any, Any]) -> Iterator[Reference]:
    for key in ("name", "path"):
        value = identifiers.get(key)
        if isinstance(value, str):
            yield key, value


def read(files: Sequence[InputFile], report: Report) -> Iterator[Batch | FileError]:
    """Yield the entries of each file, or its errors, after the files that it applies.

    `report` gets the number of bytes that are read so far. Raises BlueprintError if the second
    process ends early.
    """
    size = sum(file.size for file in files)
    if size <= MAX_IN_PROCESS_BYTES:
        yield from _parse_files(files, RunningTotal(report).add)
    else:
        yield from _read_from_process(files, report)


def _parse_files(files: Sequence[InputFile], report: Report) -> Iterator[Batch | FileError]:
    """Yield the content of each file; `report` gets the number of bytes of each read.

    From the first file that applies others, all files wait until the names of all are known.
    """
    waiting: list[_ParsedFile] = []
    for file in files:
        parsed = _parse_file(file, report)
        if isinstance(parsed, FileError):
            yield parsed
        elif waiting or parsed.references:
            waiting.append(parsed)
        else:
            yield from parsed.build_batches()
    for parsed in _sort(waiting):
        yield from parsed.build_batches()


def _parse_file(file: InputFile, report: Report) -> _ParsedFile | FileError:
    if file.error is not None:
        return FileError(file.label, [file.error])
    batches = _Batches()
    try:
        with file.open() as stream:
            document = parse(stream, file.label, batches, report)
    except ParseErrors as errors:
        return FileError(file.label, errors.messages)
    except OSError as error:
        return FileError(file.label, [f"{file.label}: {error.strerror}"])
    if batches.pending or not batches.pickles:
        batches.flush()
    blueprint = BlueprintFile(
        file.label, file.folder, document.name, document.context, document.is_snapshot
    )
    return _ParsedFile(blueprint, batches.pickles, batches.references)


def _sort(files: Sequence[_ParsedFile]) -> Iterator[_ParsedFile]:
    """Yield each file after those that it applies, otherwise in the given order."""
    by_name = _map_names(files)
    visited: set[int] = set()
    stack = [(file, False) for file in reversed(files)]
    while stack:
        file, is_ready = stack.pop()
        if is_ready:
            yield file
        elif id(file) not in visited:
            visited.add(id(file))
            applied = [other for name in file.references for other in by_name[name]]
            stack += [(file, True), *((other, False) for other in reversed(applied))]


def _map_names(files: Iterable[_ParsedFile]) -> Mapping[Reference, list[_ParsedFile]]:
    by_name: defaultdict[Reference, list[_ParsedFile]] = defaultdict(list)
    for file in files:
        for name in file.list_names():
            by_name[name].append(file)
    return by_name


def _read_from_process(files: Sequence[InputFile], report: Report) -> Iterator[Batch | FileError]:
    command = [sys.executable, "-P", "-c", BOOTSTRAP]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:  # noqa: S603 - our own module
        _enlarge(cast(IO[bytes], process.stdout))
        try:
            yield from _exchange(process, files, report)
        finally:
            process.kill()


def _enlarge(stream: IO[bytes]) -> None:
    """Enlarge the buffer of a pipe, so that its writer can go on while its reader is busy."""
    if sys.platform == "linux":
        # A user can have too many large pipes.
        with suppress(OSError):
            fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, MIB)


def _exchange(
    process: subprocess.Popen[bytes], files: Sequence[InputFile], report: Report
) -> Iterator[Batch | FileError]:
    """Send the files to the second process, and yield what it sends."""
    requests, responses = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    try:
        with requests:
            pickle.dump(sys.path, requests)
            pickle.dump(files, requests)
        yield from _receive(responses, report)
    except (BrokenPipeError, EOFError, pickle.UnpicklingError):
        raise BlueprintError([_describe_exit(process.wait())]) from None


def _describe_exit(status: int) -> str:
    cause = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
    return f"the process that parses the files ended early, with {cause}"


def _receive(stream: IO[bytes], report: Report) -> Iterator[Batch | FileError]:
    file = None
    while (message := pickle.load(stream)) is not None:  # noqa: S301 - from our own process
        match message:
            case int():
                report(message)
            case BlueprintFile():
                file = message
            case FileError():
                yield message
            case _:
                yield Batch(cast(BlueprintFile, file), *message)


def main() -> None:
    """Parse the files that standard input names, and send the result to standard output."""
    # Ctrl+C ends the other process, which then ends this one; so does its death, by SIGPIPE.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    gc.disable()  # parsing makes no cycles
    files = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
    with open(1, "wb", BUFFER_BYTES) as stream:
        _send(files, stream)


def _send(files: Sequence[InputFile], stream: BinaryIO) -> None:
    """Send what is read: sizes, errors, and each file before its batches, as (data, is_last)."""
    file = None
    size = RunningTotal(_Reporter(stream).report)
    for message in _parse_files(files, size.add):
        if isinstance(message, FileError):
            pickle.dump(message, stream)
            continue
        if message.file is not file:
            file = message.file
            pickle.dump(file, stream)
        pickle.dump((message.data, message.is_last), stream)
    pickle.dump(size.total, stream)
    pickle.dump(None, stream)


@dataclass(slots=True)
class _Reporter:
    """Sends the size that is read so far, not too often."""

    stream: BinaryIO
    next_time: float = 0

    def report(self, size: int) -> None:
        if monotonic() >= self.next_time:
            self.next_time = monotonic() + REPORT_SECONDS
            pickle.dump(size, self.stream)
            self.stream.flush()
