"""The root path of an application that shares its host with others behind a proxy."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class RootPathMiddleware:
    """Accepts request paths with the root path, and paths from which a proxy has removed it.

    A path may be ambiguous: `/flows/…` below the root path `/flows`. The middleware removes the
    root path if a route matches the rest.
    """

    app: ASGIApp
    root: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = self._strip_root(scope)
        await self.app(scope, receive, send)

    def _strip_root(self, scope: Scope) -> Scope:
        path: str = scope["path"]
        if path != self.root and not path.startswith(f"{self.root}/"):
            return scope
        application: Starlette = scope["app"]
        stripped = {**scope, "path": path.removeprefix(self.root) or "/"}
        return stripped if _matches_route(application.routes, stripped) else scope


def _matches_route(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is not Match.NONE for route in routes)
