"""The path that leads to an application, where a proxy gives it no host of its own."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class RootPathMiddleware:
    """Takes requests with the root in front of their path, and those that a proxy has taken it from.

    A path that can be read both ways, `/flows/…` below the root `/flows`, has the root in front if
    there is something of ours behind it.
    """

    app: ASGIApp
    root: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request, with its path as routes know it."""
        if scope["type"] == "http":
            scope = self._strip_root(scope)
        await self.app(scope, receive, send)

    def _strip_root(self, scope: Scope) -> Scope:
        path: str = scope["path"]
        if path != self.root and not path.startswith(f"{self.root}/"):
            return scope
        application: Starlette = scope["app"]
        behind = {**scope, "path": path.removeprefix(self.root) or "/"}
        return behind if _matches_route(application.routes, behind) else scope


def _matches_route(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    """Whether there is something at the path."""
    return any(route.matches(scope)[0] is not Match.NONE for route in routes)
