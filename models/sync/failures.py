"""The failures of a request to authentik, and how they are retried."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from models.errors import SyncError
from models.sync.limits import ApiLimits


class TransientError(Exception):
    """A request failed for a reason that can pass; `retry_after` is what the server asks for.

    The message completes a sentence that starts with the path.
    """

    def __init__(self, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ForbiddenError(Exception):
    """The token lacks the right to read a list."""


class NotFoundError(Exception):
    """The server has no such path, or no such page."""


class InvalidListError(SyncError):
    """A path is not that of a list."""


class ListChangedError(Exception):
    """A list has changed while it was read, or is invalid; the message says what does not fit."""


def retry_requests(limits: ApiLimits) -> AsyncRetrying:
    """Return the attempts of one request: exponential backoff with jitter, at least Retry-After."""
    backoff = wait_exponential_jitter(
        multiplier=limits.wait_seconds, max=limits.max_wait_seconds, jitter=limits.wait_seconds
    )

    def wait(state: RetryCallState) -> float:
        error: Any = state.outcome and state.outcome.exception()
        return min(max(backoff(state), error.retry_after), limits.max_wait_seconds)

    return AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(limits.attempts),
        wait=wait,
        reraise=True,
    )


def retry_list(limits: ApiLimits) -> AsyncRetrying:
    """Return the reads of one list, which can change meanwhile."""
    return AsyncRetrying(
        retry=retry_if_exception_type(ListChangedError),
        stop=stop_after_attempt(limits.list_reads),
        wait=wait_exponential_jitter(
            multiplier=limits.wait_seconds / 5, jitter=limits.wait_seconds
        ),
        reraise=True,
    )


def parse_retry_after(value: str | None) -> float:
    """Return the seconds of a header `Retry-After`: a number, or a date. Invalid ones are 0."""
    if not value:
        return 0
    if value.strip().isdecimal():
        return min(float(value), 10**9)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0)
