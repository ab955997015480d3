"""The reading of blueprint files."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from models.blueprint.entry import BlueprintFile, Entry
from models.blueprint.files import InputFile
from models.blueprint.parser import ParseErrors, parse


@dataclass(frozen=True, slots=True)
class Batch:
    file: BlueprintFile
    data: bytes
    is_last: bool

    def decode(self) -> list[Entry]:
        return [Entry(self.file, *fields) for fields in pickle.loads(self.data)]


@dataclass(frozen=True, slots=True)
class FileError:
    path: str
    messages: Sequence[str]


def read(files: Sequence[InputFile], report: Callable[[int], None]) -> Iterator[Batch | FileError]:
    for file in files:
        entries = []
        try:
            with file.open() as stream:
                document = parse(stream, file.label, entries)
        except ParseErrors as e:
            yield FileError(file.label, e.messages)
            continue
        bf = BlueprintFile(file.label, file.folder, document.name, document.context)
        for i in range(0, len(entries), 500):
            yield Batch(bf, pickle.dumps(entries[i:i+500]), i + 500 >= len(entries))
