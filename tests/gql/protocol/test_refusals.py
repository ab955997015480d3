"""The log contains the number of refused connections at intervals."""

import asyncio

import pytest

from gql.protocol.refusals import Refusals

INTERVAL = 0.1


def test_count_is_logged_once_in_an_interval(caplog: pytest.LogCaptureFixture) -> None:
    """The first refusal is logged at once, and those of an interval with its end."""

    async def refuse() -> None:
        refusals = Refusals(limit=7, interval=INTERVAL)
        for pause in (0, 0, 0, 4 * INTERVAL, 0):
            refusals.add(asyncio.get_running_loop())
            await asyncio.sleep(pause)
        await asyncio.sleep(4 * INTERVAL)

    asyncio.run(refuse())
    reason = "connections refused: {}; the limit is 7 (see --max-connections)"
    assert caplog.messages == [reason.format(count) for count in (1, 3, 1)]
