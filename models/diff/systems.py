"""Sides that are systems: databases, and live authentiks."""

from urllib.parse import urlsplit

from models.database import Database, open_database
from models.database.address import parse_address
from models.diff.options import SideOptions
from models.diff.sides import SystemSide
from models.errors import DiffError, SyncError, UnavailableError
from models.limits import PoolLimits
from models.sync.reader import read_system
from models.sync.source import ApiSource
from models.systems.database import read_content

# The statements that read all objects take longer than those of a request.
LIMITS = PoolLimits(statement_seconds=600, read_seconds=900)


async def open_database_side(url: str, options: SideOptions) -> SystemSide:
    """Return the content of the database at a URL. Raises DatabaseError or DiffError."""
    database = await open_database(url, options.schema, LIMITS)
    try:
        return await read_database(database, str(parse_address(url)))
    except UnavailableError as error:
        raise DiffError(f"{parse_address(url)} cannot be read: {error}") from error
    finally:
        await database.close()


async def read_database(database: Database, label: str = "the database") -> SystemSide:
    """Return the content of an open database. Raises UnavailableError or DatabaseError."""
    return SystemSide(label, await read_content(database))


async def read_live_system(url: str, options: SideOptions) -> SystemSide:
    """Return the content of a live authentik. Raises DiffError or SyncError."""
    host = find_host(url)
    token = options.tokens.get(host, options.token)
    if not token:
        raise DiffError(f"no token for {host}: use --token-file {host}=FILE")
    try:
        content = await read_system(ApiSource(url, token, options.ca_file))
    except SyncError as error:
        raise SyncError(f"{host}: {error}") from error
    return SystemSide(host, content)


def find_host(url: str) -> str:
    """Return the host of a URL, with its port if it has one; raises DiffError."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        raise DiffError("invalid URL: expected https://HOST") from None
