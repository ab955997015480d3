"""The tenant a request is for: which connection, and whose names in cache keys and media URLs."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tenant:
    """A schema, reached over Django's connection of that alias."""

    alias: str
    schema: str


current: ContextVar[Tenant] = ContextVar("current")


class TenantRouter:
    """Sends every query to the tenant of the request."""

    def db_for_read(self, model: Any, **_: Any) -> str:  # noqa: ARG002 - Django passes it by name
        """Return the alias of the tenant's connection."""
        return current.get().alias
