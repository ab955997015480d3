"""Responses that are used again while they are provably the ones that an execution would give.

A representation is kept with the version of the data that its rows and its viewer belong to. It is
used again for requests that name the same operation, of viewers who may see the same, and that read
an equal version after they have arrived (see models/database/versions.py).
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from gql.context import Identity
from gql.http.representation import Representation
from gql.reading import Read, ReadRunner
from gql.shared_tasks import SharedTasks
from models.cache import SegmentedLRU
from models.database import Version

# The size in bytes of a key and of the objects of an entry, about.
ENTRY_BYTES = 1_200
T = TypeVar("T")
R = TypeVar("R")


class PendingResponse(NamedTuple, Generic[T, R]):
    """How a response is read and completed, and what is known about its reads."""

    read: Read[T]
    complete: Callable[[T], Awaitable[R]]
    is_snapshot: bool
    is_expensive: bool


class Outcome(NamedTuple, Generic[R]):
    """The result of an execution for an identity, and whether it belongs to its version."""

    result: R
    is_current: bool
    identity: Identity


class KeptRepresentation(NamedTuple):
    """A representation, and the version of the data that it belongs to."""

    representation: Representation
    version: Version


class Reuse:
    """Executes requests, and keeps their representations up to a capacity in bytes.

    Requests for the same representation that have read the same version share one execution. The last
    of them that leaves cancels it. If its result belongs to another version, it is only for the
    request that started it.
    """

    def __init__(self, runner: ReadRunner, capacity: int) -> None:
        self._runner = runner
        self._kept = SegmentedLRU[bytes, KeptRepresentation](capacity)
        self._executions = SharedTasks[tuple[bytes, Version], Outcome[Any]]()

    def find(self, key: bytes, identity: Identity) -> Representation | None:
        """Return the representation with a key, None if there is none of the present version."""
        kept = self._kept.get(key + identity.viewer.access)
        return kept.representation if kept and kept.version == identity.version else None

    async def execute(self, key: bytes, identity: Identity, pending: PendingResponse[Any, R]) -> R:
        """Return the result of an execution, and keep it if it is a representation.

        Raises ExecutionTimeoutError, and the errors of `ReadRunner.run`.
        """
        with self._runner.limit_time():
            if identity.version is None:
                return (await self._run(identity, pending)).result
            full_key = key + identity.viewer.access
            run = partial(self._run_and_keep, full_key, identity, pending)
            outcome = await self._executions.run((full_key, identity.version), run)
            if outcome.is_current or outcome.identity is identity:
                return outcome.result
            return (await self._run(identity, pending)).result

    async def _run_and_keep(
        self, full_key: bytes, identity: Identity, pending: PendingResponse[Any, R]
    ) -> Outcome[R]:
        outcome = await self._run(identity, pending)
        result, version = outcome.result, identity.version
        if outcome.is_current and version and isinstance(result, Representation):
            weight = len(result.body) + ENTRY_BYTES
            self._kept.put(full_key, KeptRepresentation(result, version), weight)
        return outcome

    async def _run(self, identity: Identity, pending: PendingResponse[Any, R]) -> Outcome[R]:
        result, is_current = await self._runner.run_at_version(
            pending.read,
            identity,
            is_snapshot=pending.is_snapshot,
            is_expensive=pending.is_expensive,
        )
        return Outcome(await pending.complete(result), is_current, identity)
