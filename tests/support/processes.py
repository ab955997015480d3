"""Names that moved to `support.command` and `support.server_process`."""

from support.command import FLOWQL as FLOWQL  # noqa: PLC0414
from support.command import PATIENCE_SECONDS as PATIENCE_SECONDS  # noqa: PLC0414
from support.command import environment as environment  # noqa: PLC0414
from support.command import flowql as flowql  # noqa: PLC0414
from support.server_process import RunningServer as RunningServer  # noqa: PLC0414
from support.server_process import free_port as free_port  # noqa: PLC0414
from support.server_process import run_process as run_process  # noqa: PLC0414
from support.server_process import wait_until_live as wait_until_live  # noqa: PLC0414
