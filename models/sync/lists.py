"""Lists of authentik's API, read page by page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import ceil
from typing import Any, cast

from models.errors import SyncError
from models.sync.client import ApiClient
from models.sync.failures import InvalidListError, ListChangedError, NotFoundError, retry_list
from models.sync.tasks import run_all

Item = Mapping[str, Any]
# Receives the number of objects to add to those read, and to the number of all.
Report = Callable[[int, int], object]
# The attributes with the primary key, by the order in which they are tried.
KEYS = ("pk", "connector_uuid")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: Sequence[Item]
    count: int
    total_pages: int


async def read_list(
    client: ApiClient, path: str, report: Report, parameters: Mapping[str, str] | None = None
) -> Sequence[Item]:
    """Return all objects of a list, each once, as they were at about the same time.

    A list that changes while it is read is read again. One of several pages is read twice, since
    an object that is added and another one that is deleted leave the count as it was. Raises
    ForbiddenError, NotFoundError or SyncError.
    """
    reader = _ListReader(client, path, report, parameters or {})
    try:
        return await retry_list(client.limits)(reader.read)
    except ListChangedError as error:
        reads = client.limits.list_reads
        raise InvalidListError(f"{path} {error} ({reads} reads): try again later") from None


def get_key(item: Item) -> str | int:
    """Return the primary key of an object; raises ListChangedError if it has none."""
    for name in KEYS:
        key = item.get(name)
        if isinstance(key, str | int) and not isinstance(key, bool):
            return key.lower() if isinstance(key, str) else key
    raise ListChangedError("returned an object without the field pk")


@dataclass(frozen=True, slots=True)
class _ListReader:
    client: ApiClient
    path: str
    report: Report
    parameters: Mapping[str, str]
    # The numbers of objects that were reported since the list was read from its start.
    reported: list[int] = field(default_factory=list[int])

    async def read(self) -> Sequence[Item]:
        """Read all pages, and check them; raises ListChangedError if they do not fit together."""
        first = await self._read_page(1)
        _check_first(first)
        self._report_page(first, first.count)
        try:
            pages = [first, *await self._read_pages(first)]
            _check_pages(pages)
            await self._check_again(pages)
        except ListChangedError:
            self.report(-sum(self.reported), -first.count)
            self.reported.clear()
            raise
        return [item for page in pages for item in page.items]

    async def _read_pages(self, first: Page) -> Sequence[Page]:
        numbers = range(2, first.total_pages + 1)
        return await run_all(map(self._read_counted, numbers))

    async def _read_counted(self, number: int) -> Page:
        page = await self._read_existing(number)
        self._report_page(page, 0)
        return page

    def _report_page(self, page: Page, size: int) -> None:
        self.report(len(page.items), size)
        self.reported.append(len(page.items))

    async def _check_again(self, pages: Sequence[Page]) -> None:
        """Raise ListChangedError unless all pages still have the same objects."""
        if len(pages) == 1:
            return
        keys = await run_all(map(self._read_keys, range(1, len(pages) + 1)))
        if list(chain.from_iterable(keys)) != _list_keys(pages):
            raise ListChangedError("changed while it was read: the pages have other objects now")

    async def _read_keys(self, number: int) -> Sequence[str | int]:
        return _list_keys([await self._read_existing(number)])

    async def _read_existing(self, number: int) -> Page:
        try:
            return await self._read_page(number)
        except NotFoundError:
            raise ListChangedError(
                f"has fewer pages than before: page {number} is missing"
            ) from None

    async def _read_page(self, number: int) -> Page:
        limits = self.client.limits
        parameters = {
            "page": number,
            "page_size": limits.page_size,
            "ordering": "pk",
            **self.parameters,
        }
        page = _parse_page(await self.client.get(self.path, parameters), number)
        if page.count > limits.max_objects:
            raise SyncError(f"{self.path} has more than {limits.max_objects:,} objects")
        return page


def _parse_page(value: Any, number: int) -> Page:
    match value:
        case {
            "pagination": {"count": int(count), "total_pages": int(total), **others},
            "results": [*items],
        } if _is_page(others, number) and 0 <= total <= max(count, 1) and _are_objects(items):
            return Page(cast(list[Item], items), count, total)
        case _:
            raise ListChangedError("returned an invalid page")


def _is_page(pagination: Mapping[str, Any], number: int) -> bool:
    return pagination.get("current", number) == number


def _are_objects(items: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in items)


def _check_first(page: Page) -> None:
    """Raise ListChangedError if the number of pages does not fit to that of the objects."""
    size = len(page.items)
    if page.total_pages > 1 and (not size or page.total_pages != ceil(page.count / size)):
        raise ListChangedError(
            f"returned {page.total_pages:,} as the number of pages, but {page.count:,} as that of"
            f" objects, with {size:,} on the first page"
        )


def _check_pages(pages: Sequence[Page]) -> None:
    """Raise ListChangedError unless the pages are those of one list."""
    count = pages[0].count
    if any((page.count, page.total_pages) != (count, pages[0].total_pages) for page in pages):
        raise ListChangedError("changed while it was read: the pages have different counts")
    keys = _list_keys(pages)
    if len(keys) != count:
        raise ListChangedError(f"changed while it was read: {len(keys)} of {count} objects")
    if len(set(keys)) != len(keys):
        raise ListChangedError("changed while it was read: an object is on several pages")


def _list_keys(pages: Sequence[Page]) -> list[str | int]:
    """Return the primary keys of all objects, in order."""
    return [get_key(item) for page in pages for item in page.items]
