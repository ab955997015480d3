"""Reads all flows of an authentik from its API, with all that they consist of."""

import asyncio
from dataclasses import dataclass

from models.errors import SyncError
from models.sync.client import ApiClient, open_client
from models.sync.consistency import Conflicts
from models.sync.content import build_content
from models.sync.limits import DEFAULTS, ApiLimits, Progress
from models.sync.responses import read_responses
from models.sync.source import ApiSource
from models.systems.content import SystemContent

MAX_MESSAGES = 3


async def read_system(
    source: ApiSource, progress: Progress | None = None, limits: ApiLimits = DEFAULTS
) -> SystemContent:
    """Return the content of an authentik; raises SyncError.

    All lists are read again if they do not agree, since objects can change meanwhile.
    """
    try:
        async with asyncio.timeout(limits.total_seconds), open_client(source, limits) as client:
            return await _read_agreeing(client, progress)
    except TimeoutError:
        raise SyncError(
            f"authentik was not read within {limits.total_seconds:g} seconds: raise --timeout"
        ) from None


async def _read_agreeing(client: ApiClient, progress: Progress | None) -> SystemContent:
    conflicts = Conflicts()
    for _ in range(client.limits.rounds):
        previous = conflicts
        responses = await read_responses(client, _Total(progress).add)
        content, conflicts = build_content(responses)
        is_accepted = not conflicts.doubts or conflicts.doubts == previous.doubts
        if content and is_accepted and not conflicts.errors:
            return content
    raise _build_error(conflicts, client.limits.rounds)


def _build_error(conflicts: Conflicts, rounds: int) -> SyncError:
    return SyncError(
        f"authentik's lists do not agree after {rounds} rounds: {_join(conflicts)}. Either they"
        " change all the time, or the token may only view single objects"
    )


def _join(conflicts: Conflicts) -> str:
    messages = [*conflicts.errors, *sorted(conflicts.doubts)]
    more = len(messages) - MAX_MESSAGES
    return "; ".join([*messages[:MAX_MESSAGES], *([f"{more} more"] if more > 0 else [])])


@dataclass(slots=True)
class _Total:
    """Reports the sum of the objects that were read."""

    progress: Progress | None
    done: int = 0
    size: int = 0

    def add(self, done: int, size: int) -> None:
        self.done += done
        self.size += size
        if self.progress:
            self.progress("fetch", self.done, self.size)
