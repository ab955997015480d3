"""The database sessions of the Strawberry peers."""

from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

Sessions = async_sessionmaker[AsyncSession]


def open_sessions(url: str) -> Sessions:
    """Return a factory of sessions on a pool with one connection for each client.

    Autocommit saves BEGIN and COMMIT for reads, and ROLLBACK when a connection returns to the pool.
    """
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=16,
        max_overflow=0,
        pool_reset_on_return=None,
    )
    return async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
