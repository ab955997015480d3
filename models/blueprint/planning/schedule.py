"""The entries that wait for others, and the order in which they are planned."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence

from models.blueprint.format.entry import BlueprintFile, Entry, Position
from models.blueprint.planning.keys import Key

MAX_WAITS = 100
# Many long circles would take too long to search: then the first entry is as good.
MAX_STEPS = 5_000_000


class UnresolvedError(Exception):
    """A value refers to something that an entry which is not planned yet may declare.

    `entry` is that entry. It is None if it may not have been read yet, or is a binding that waits.
    """

    def __init__(self, entry: Entry | None = None) -> None:
        super().__init__()
        self.entry = entry


class TooManyWaitsError(Exception):
    """An entry waits for too many others, one after the other, so that planning may not end."""

    def __init__(self) -> None:
        super().__init__(f"waits for more than {MAX_WAITS} other entries, one after the other")


class Schedule:
    """Entries that wait for others, in the order of the files.

    While files are read, an entry with a missing reference waits for the end of the files. Then it
    waits for the entries that may declare what it refers to, until these wait for each other.
    Bindings wait elsewhere, since there are many; `has_bindings` is true while some do.
    """

    def __init__(self) -> None:
        self.is_closed = False
        self.has_bindings = False
        self.forced: Entry | None = None
        self._file_numbers: dict[BlueprintFile, int] = {}
        self._files: Counter[BlueprintFile] = Counter()
        self._steps = 0
        self._waits: Counter[Entry] = Counter()
        self._awaited: dict[Entry, Entry] = {}
        self._last_waiting: Entry | None = None
        self._keys: dict[Entry, Sequence[Key]] = {}
        self._entries: defaultdict[Key, dict[Entry, None]] = defaultdict(dict)
        self._waiting: defaultdict[Entry | None, list[Entry]] = defaultdict(list)
        self._ready: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._keys)

    def add_file(self, file: BlueprintFile) -> None:
        """Add a file after the others."""
        self._file_numbers.setdefault(file, len(self._file_numbers))

    def add(self, entry: Entry, keys: Sequence[Key]) -> None:
        """Let an entry wait for the end of the files; it declares an object with these keys."""
        self._files[entry.file] += 1
        self._keys[entry] = keys
        self._ready.append(entry)
        for key in keys:
            self._entries[key][entry] = None

    def find(self, keys: Iterable[Key], but: Entry) -> Entry | None:
        """Return the last waiting entry with one of these keys, or None if none has to be awaited."""
        if but is self.forced:
            return None
        candidates = [self._find_last(key, but) for key in keys]
        return max(filter(None, candidates), key=self._find_place, default=None)

    def find_earlier(self, keys: Iterable[Key], but: Entry) -> Entry | None:
        """Return a waiting entry with one of these keys that precedes an entry."""
        if but is self.forced:
            return None
        place = self._find_place(but)
        firsts = (next(iter(self._entries.get(key, ())), None) for key in keys)
        return next((entry for entry in firsts if entry and self._find_place(entry) < place), None)

    def _find_place(self, entry: Entry) -> tuple[int, Position]:
        return self._file_numbers[entry.file], entry.position

    def _find_last(self, key: Key, but: Entry) -> Entry | None:
        entries = self._entries.get(key, {})
        return next((entry for entry in reversed(entries) if entry is not but), None)

    def has_file(self, file: BlueprintFile) -> bool:
        """Return whether an entry of a file waits."""
        return self._files[file] > 0

    def has_key(self, key: Key) -> bool:
        """Return whether an entry with a key waits."""
        return bool(self._entries.get(key))

    def drain(self) -> Iterator[Entry]:
        """Yield the entries in an order that their dependencies allow.

        The caller calls `finish` or `wait` for each. If entries wait for each other, the first of
        these is yielded as `forced`: it does not wait again. Entries that wait for bindings are
        left.
        """
        self.is_closed = True
        while self._keys:
            if not self._ready:
                if self._waiting.get(None):
                    return
                self.forced = self._find_circular()
                self._ready.append(self.forced)
            entry = self._ready.popleft()
            if entry in self._keys:
                yield entry
            self.forced = None

    def wait(self, entry: Entry, other: Entry | None) -> None:
        """Let an entry wait until another one is planned, or with None until bindings are.

        Raises TooManyWaitsError if it has waited too often.
        """
        self._waits[entry] += 1
        if self._waits[entry] > MAX_WAITS:
            raise TooManyWaitsError
        self._waiting[other].append(entry)
        if other:
            self._awaited[entry] = other
            self._last_waiting = entry

    def _find_circular(self) -> Entry:
        """Return the first one of entries that wait for each other."""
        # The way from the entry that waited last is short, even after a long chain.
        last = self._last_waiting
        entry = last if last in self._keys else next(iter(self._keys))
        places: dict[Entry, int] = {}
        while entry not in places and self._steps < MAX_STEPS:
            self._steps += 1
            places[entry] = len(places)
            entry = self._awaited[entry]
        if entry not in places:
            return next(iter(self._keys))
        return min(list(places)[places[entry] :], key=self._find_place)

    def release(self) -> None:
        """Let the entries that wait for bindings go on."""
        self.has_bindings = False
        self._ready.extend(self._waiting.pop(None, ()))

    def finish(self, entry: Entry) -> None:
        """Remove an entry that is planned, skipped or invalid."""
        self._files[entry.file] -= 1
        self._waits.pop(entry, None)
        self._awaited.pop(entry, None)
        for key in self._keys.pop(entry):
            del self._entries[key][entry]
        self._ready.extend(self._waiting.pop(entry, ()))
