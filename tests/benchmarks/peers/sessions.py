"""Where the Strawberry peers' sessions come from."""

from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

Sessions = async_sessionmaker[AsyncSession]


def open_sessions(url: str) -> Sessions:
    """Sessions on a connection for each client, none of which is ever closed for want of use.

    Reads need no BEGIN and COMMIT around them, nor a ROLLBACK when a connection is given back.
    """
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=16,
        max_overflow=0,
        pool_reset_on_return=None,
    )
    return async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
