"""Operations of the command line on databases: migrate, import, export, sync, tokens, grants."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from gql.resolvers import exports
from gql.settings import Settings
from models import database as databases
from models import tokens
from models.blueprint import importer
from models.blueprint.exporting.document import ExportDocument, build_document
from models.blueprint.exporting.options import ExportOptions
from models.blueprint.exporting.selection import Selection
from models.blueprint.report import ImportOptions, ImportReport, Progress
from models.database import READ_ONLY_MESSAGE, Database, Session
from models.errors import DatabaseError
from models.limits import DEFAULTS, PoolLimits
from models.queries.flows import FlowRow
from models.sync import rounds
from models.sync.options import MirrorReport, SyncOptions
from models.sync.rounds import OnRound
from models.sync.source import ApiSource
from models.tokens import TokenScope, TokenSummary

# The statements of an export of all flows take longer than those of a request.
EXPORT_LIMITS = PoolLimits(statement_seconds=600, read_seconds=900)


async def migrate(settings: Settings) -> bool:
    """Create or upgrade the tables; return False if they are up to date. Raises DatabaseError."""
    return await databases.migrate(settings.database_url, settings.schema_name)


async def import_blueprints(
    settings: Settings,
    paths: Sequence[Path],
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import files and folders; raises DatabaseError or BlueprintError.

    A dry run only needs to read the database.
    """
    options = options or ImportOptions()
    async with _open_database(settings, writable=not options.is_dry_run) as database:
        _check_origin(database)
        return await importer.import_blueprints(database, paths, options, progress)


async def export_flows(
    settings: Settings, slugs: Sequence[str], options: ExportOptions
) -> ExportDocument:
    """Return the blueprint of flows, of all if there are no slugs.

    Raises DatabaseError or ExportError.
    """
    async with (
        _open_database(settings, writable=False, limits=EXPORT_LIMITS) as database,
        database.open_session(is_snapshot=True) as session,
    ):
        flows = await exports.list_flows(session, slugs)
        options.check([flow.slug for flow in flows])
        content = await exports.load_content(session, exports.EVERYTHING, flows)
        selection = Selection(content, flows, options)
        await exports.check_copies(session, selection.new_names)
        is_snapshot = not options.renames and await _has_all_flows(session, slugs, flows)
    return build_document(content, selection)._replace(is_snapshot=is_snapshot)


async def _has_all_flows(session: Session, slugs: Sequence[str], flows: Sequence[FlowRow]) -> bool:
    """Return whether an export has all flows; a single flow only counts if it was not named."""
    if not slugs or len(flows) == 1:
        return not slugs
    return len(await exports.list_flows(session)) == len(flows)


async def sync(
    settings: Settings, source: ApiSource, options: SyncOptions, progress: Progress | None = None
) -> MirrorReport:
    """Mirror an authentik once; raises DatabaseError or SyncError."""
    async with _open_database(settings, writable=True) as database:
        return await rounds.sync(database, source, options, progress)


async def keep_syncing(
    settings: Settings,
    source: ApiSource,
    options: SyncOptions,
    every: timedelta,
    on_round: OnRound,
) -> None:
    """Mirror an authentik again and again until SIGTERM.

    If the file of the database is replaced, the new one is opened. Raises DatabaseError if the
    database cannot be opened.
    """
    task = cast("asyncio.Task[None]", asyncio.current_task())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    seconds = every.total_seconds()
    with suppress(asyncio.CancelledError):
        while True:
            async with _open_database(settings, writable=True) as database:
                await rounds.keep_syncing(database, source, options, seconds, on_round)


async def create_token(
    settings: Settings, name: str, scope: TokenScope, lifetime: timedelta | None
) -> str:
    """Create a token and return its key; raises DatabaseError or TokenError."""
    expires = datetime.now(UTC) + lifetime if lifetime else None
    async with _open_database(settings, writable=True) as database:
        return await tokens.create_token(database, name, scope, expires)


async def list_tokens(settings: Settings) -> Sequence[TokenSummary]:
    """Return all tokens, ordered by name; raises DatabaseError."""
    async with _open_database(settings, writable=False) as database:
        _check_origin(database)
        return await tokens.list_tokens(database)


async def revoke_token(settings: Settings, name: str) -> None:
    """Delete a token; raises DatabaseError or TokenError."""
    async with _open_database(settings, writable=True) as database:
        await tokens.revoke_token(database, name)


async def list_grants(settings: Settings, role: str) -> Sequence[str]:
    """Return the statements that let a role read authentik's database; raises DatabaseError."""
    return await databases.list_grants(settings.database_url, settings.schema_name, role)


@asynccontextmanager
async def _open_database(
    settings: Settings, *, writable: bool, limits: PoolLimits = DEFAULTS
) -> AsyncGenerator[Database]:
    url, schema = settings.database_url, settings.schema_name
    database = await databases.open_database(url, schema, limits, writable=writable)
    try:
        yield database
    finally:
        await database.close()


def _check_origin(database: Database) -> None:
    """Raise DatabaseError unless the database is FlowQL's own."""
    if not database.is_flowql:
        raise DatabaseError(READ_ONLY_MESSAGE)
