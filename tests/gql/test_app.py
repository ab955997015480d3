"""The application: routes exist before the lifespan, the database is open only within it."""

import asyncio

import pytest
from starlette.routing import Route

from gql.app import create_app
from gql.database_handle import DatabaseHandle
from gql.settings import Settings
from models.errors import DatabaseError


def test_routes_are_declared_when_the_app_is_built(sqlite_url: str) -> None:
    """The lifespan does not change the routes."""
    app = create_app(Settings(database_url=sqlite_url))
    routes = list(app.routes)
    paths = {route.path for route in routes if isinstance(route, Route)}
    assert {"/", "/graphql", "/schema.graphql", "/flows/instances/", "/-/health/ready/"} <= paths

    async def main() -> None:
        async with app.router.lifespan_context(app):
            assert app.routes == routes

    asyncio.run(main())


def test_the_database_is_open_only_in_the_lifespan(sqlite_url: str) -> None:
    """A handle raises RuntimeError before and after, and can open the database again."""
    handle = DatabaseHandle()

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="The database is not open"):
                _ = handle.database
            async with handle.open(sqlite_url, "public"):
                assert handle.database.is_flowql
        with pytest.raises(RuntimeError, match="The database is not open"):
            _ = handle.database

    asyncio.run(main())


def test_the_lifespan_reports_a_missing_database() -> None:
    """Building the application does not open the database."""
    app = create_app(Settings(database_url="sqlite:///missing.db"))

    async def main() -> None:
        with pytest.raises(DatabaseError):
            async with app.router.lifespan_context(app):
                pass

    asyncio.run(main())
