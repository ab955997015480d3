"""Main functions of workers, which worker processes import, and of a supervisor of such workers."""

import sys
import time
from socket import create_server

from gql.workers import Channel, run_workers
from models.errors import OperatorError


def supervise(port: int) -> None:
    """Supervise three workers that serve nothing; writes a line first."""
    listeners = [create_server(("127.0.0.1", port), reuse_port=True) for _ in range(3)]
    sys.stdout.write("\n")
    sys.stdout.flush()
    run_workers(listeners, report)


def report(channel: Channel) -> None:
    """Send reports, as a worker does that is ready."""
    while True:
        channel.report()
        time.sleep(1)


def report_once(channel: Channel) -> None:
    """Report that the worker is ready, and never report again."""
    channel.report()
    time.sleep(600)


def fail(_channel: Channel) -> None:
    """Fail to start."""
    raise OperatorError("no reason")


def fail_with_statements(_channel: Channel) -> None:
    """Fail to start for a reason that SQL statements remove."""
    raise OperatorError("no\nprivilege:", ["GRANT a TO b;", "GRANT 'c\n' TO d;"])
