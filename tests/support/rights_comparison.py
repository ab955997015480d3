"""The comparison of responses with the model of rights, and with a database without hidden rows."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from support.app_client import AppClient, Response
from support.rights_censor import censor
from support.rights_data import COMMON_ROWS, CONTENT, RightsRows, build_rights
from support.rights_databases import RIGHTS_DATABASES, RightsDatabase
from support.rights_model import View, find_rights
from support.rights_requests import LIMITS, Case, build_cases
from support.rights_tables import merge_rows

BATCH_SIZE = 25
# After this number of viewers, the traces of deleted rows slow down reads.
CLEANING_INTERVAL = 500
MAX_FAILURES = 3


@dataclass(frozen=True, slots=True)
class RightsSite:
    """FlowQL on a database whose rows a test replaces."""

    kind: str
    database: RightsDatabase
    client: AppClient


@contextmanager
def open_site(kind: str, url: str) -> Generator[RightsSite]:
    """Create a database of a kind with the content, and run FlowQL on it without caches."""
    with RIGHTS_DATABASES[kind](url) as database:
        database.write(merge_rows(CONTENT, COMMON_ROWS))
        with AppClient(url, viewer_ttl=0, **LIMITS) as client:
            yield RightsSite(kind, database, client)


@dataclass(frozen=True, slots=True)
class Viewer:
    """A set of rights in a database, and what it shows."""

    rights: RightsRows
    view: View


def add_viewers(site: RightsSite, count: int) -> Iterator[Sequence[Viewer]]:
    """Yield batches of random viewers. Each batch replaces the one before in the database."""
    for start in range(0, count, BATCH_SIZE):
        if start % CLEANING_INTERVAL == 0:
            site.database.clean()
        yield _replace_viewers(site, range(start, min(start + BATCH_SIZE, count)))


def _replace_viewers(site: RightsSite, numbers: Iterable[int]) -> Sequence[Viewer]:
    database = site.database
    sets = [build_rights(site.kind, number, has_scopes=database.has_scopes) for number in numbers]
    rows = merge_rows(CONTENT, COMMON_ROWS, *(rights.rows for rights in sets))
    database.write(rows)
    return [Viewer(rights, View(rows, find_rights(rows, rights.token))) for rights in sets]


class Exchange(NamedTuple):
    """A request and its response."""

    case: Case
    response: Response


@dataclass(frozen=True, slots=True)
class Comparison:
    """The failures of a run: wrong responses, and responses that depend on hidden rows."""

    site: RightsSite
    wrong: list[str] = field(default_factory=list[str])
    dependent: list[str] = field(default_factory=list[str])

    def run(self, count: int) -> None:
        """Compare the responses for a number of viewers, until there are MAX_FAILURES."""
        for viewers in add_viewers(self.site, count):
            self.compare(viewers)
            if max(len(self.wrong), len(self.dependent)) >= MAX_FAILURES:
                break

    def compare(self, viewers: Sequence[Viewer]) -> None:
        """Compare the responses for the viewers that are in the database."""
        exchanges = [self._compare_with_model(viewer) for viewer in viewers]
        # Half of the viewers are enough to find every dependency, in half of the time.
        for viewer, sent in list(zip(viewers, exchanges, strict=True))[::2]:
            self._compare_without_hidden(viewer, sent)

    def _compare_with_model(self, viewer: Viewer) -> Sequence[Exchange]:
        """Send the requests of a viewer, and compare the responses with the model."""
        client, key = self.site.client, viewer.rights.key
        cases = build_cases(viewer.rights)
        exchanges = [Exchange(case, case.send(client, key)) for case in cases]
        for case, response in exchanges:
            actual, expected = case.observe(response), case.expect(viewer.view)
            if actual != expected:
                self.wrong.append(_describe(viewer, case, actual, expected))
        return exchanges

    def _compare_without_hidden(self, viewer: Viewer, exchanges: Sequence[Exchange]) -> None:
        """Remove what is hidden from a viewer, and repeat the requests."""
        self.site.database.write(censor(viewer.view))
        for case, before in exchanges:
            after = case.send(self.site.client, viewer.rights.key)
            if before != after:
                self.dependent.append(_describe(viewer, case, _texts(before), _texts(after)))


def _texts(response: Response) -> object:
    return response.status, response.headers, response.body.decode()


def _describe(viewer: Viewer, case: Case, first: object, second: object) -> str:
    """Describe a failure so that it can be reproduced."""
    one, other, path = _find_difference(first, second)
    return (
        f"\n{case.name} {case.target}: {one!r} != {other!r} at {path}\n"
        f"{case.body.decode()}\n{viewer.rights}"
    )


def _find_difference(first: object, second: object, path: str = "") -> Sequence[object]:
    """Return the values of the first difference between two values, and its path."""
    items, others = _items_of(first), _items_of(second)
    for key in items:
        if key in others and items[key] != others[key]:
            return _find_difference(items[key], others[key], f"{path}/{key}")
    return first, second, path


def _items_of(value: object) -> Mapping[object, object]:
    """Return the items of an object or a list, none for other values."""
    if isinstance(value, dict):
        return cast(dict[object, object], value)
    return dict(enumerate(cast(list[object], value))) if isinstance(value, list | tuple) else {}
