"""The mirror of an authentik in FlowQL's own database."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from models.blueprint.authentik.kinds import USER
from models.blueprint.report import RunningTotal
from models.blueprint.rows import store
from models.blueprint.rows.row import Row
from models.blueprint.rows.row_table import RowTable
from models.blueprint.rows.working_set import Changes, WorkingSet
from models.database import READ_ONLY_MESSAGE, Database, Reads
from models.errors import DatabaseError
from models.sync.keys import skip_taken_ids
from models.sync.limits import Progress
from models.sync.matching import MirrorPlan, Stored, plan_mirror
from models.sync.options import MirrorReport, SyncOptions
from models.systems.content import SystemContent
from models.tables.access import RESERVED_PREFIX, Token, User
from models.tables.metadata import METADATA
from models.tables.source import SyncSource

MAX_ERROR_LENGTH = 1_000


async def mirror(
    database: Database,
    content: SystemContent,
    options: SyncOptions,
    url: str,
    progress: Progress | None = None,
) -> MirrorReport:
    """Make FlowQL's own database equal to the content, in one transaction.

    Rows take authentik's primary keys. Only the ID of a user can differ: if it belongs to the user
    of a token, the row keeps an ID of its own. Unchanged rows are not written. Raises SyncError if
    the round would delete too many flows, and DatabaseError; then nothing is written.
    """
    if not database.is_flowql:
        raise DatabaseError(READ_ONLY_MESSAGE)
    plan = await database.write(
        partial(_plan, content, options), partial(_write, content, url, progress)
    )
    return MirrorReport(
        len(plan.changes.created),
        plan.updated,
        len(plan.changes.deleted),
        plan.unchanged,
        content.warnings,
        content.version,
    )


async def record_failure(database: Database, url: str, message: str) -> None:
    """Store that a round has failed, and why; the data stays as it is. Raises DatabaseError."""
    error = " ".join(message.split())[:MAX_ERROR_LENGTH]
    async with database.transaction() as connection:
        await connection.run_sync(_store_failure, url, error)


def _plan(content: SystemContent, options: SyncOptions, reads: Reads) -> MirrorPlan:
    return plan_mirror(_read(reads), content, options)


def _read(reads: Reads) -> Stored:
    tables = WorkingSet(reads.fetch).tables
    is_token_user = func.substr(col(User.username), 1, len(RESERVED_PREFIX)) == RESERVED_PREFIX
    users: Any = select(col(User.id)).where(is_token_user)
    owners: Any = select(col(Token.user_id)).distinct()
    return Stored(
        {name: _read_rows(table, reads) for name, table in tables.items()},
        {id_ for (id_,) in reads.fetch(users)},
        {id_ for (id_,) in reads.fetch(owners)},
    )


def _read_rows(table: RowTable, reads: Reads) -> Sequence[Row]:
    table.add_all(reads.fetch(table.select()))
    return list(table)


def _write(
    content: SystemContent,
    url: str,
    progress: Progress | None,
    connection: Connection,
    plan: MirrorPlan,
) -> None:
    changes = plan.changes
    size = sum(map(len, (changes.created, changes.changed, changes.deleted)))
    written = RunningTotal(lambda total: progress and progress("write", total, size))
    try:
        store.write(connection, Changes((), (), changes.deleted), written.add)
        plan.keys.write(connection)
        store.write(connection, Changes(changes.created, changes.changed, ()), written.add)
    except IntegrityError:
        raise DatabaseError(
            "the sync conflicts with rows that another process has written: try again"
        ) from None
    if any(row.kind is USER for row in changes.created) or plan.keys.has(USER.name):
        skip_taken_ids(connection)
    _store_success(connection, content, url)


def _store_success(connection: Connection, content: SystemContent, url: str) -> None:
    _store(
        connection,
        {
            "url": url,
            "version": content.version,
            "synced_at": datetime.now(UTC),
            "failed_at": None,
            "error": None,
        },
    )


def _store_failure(connection: Connection, url: str, error: str) -> None:
    failure = {"failed_at": datetime.now(UTC), "error": error}
    is_first = connection.execute(select(col(SyncSource.id))).first() is None
    _store(connection, {"url": url, **failure} if is_first else failure)


def _store(connection: Connection, values: dict[str, Any]) -> None:
    table = METADATA.tables[SyncSource.__tablename__]
    if connection.execute(table.update().values(values)).rowcount == 0:
        connection.execute(table.insert().values(id=1, **values))
