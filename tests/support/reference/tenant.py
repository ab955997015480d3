"""The tenant of a request: a database connection and the schema of its tables."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tenant:
    """A schema and the alias of its connection in Django.

    Cache keys and media URLs contain the name of the schema.
    """

    alias: str
    schema: str


current: ContextVar[Tenant] = ContextVar("current")


class TenantRouter:
    """A router that sends every query to the tenant of the request."""

    def db_for_read(self, model: Any, **_: Any) -> str:  # noqa: ARG002 - interface
        """Return the alias of the tenant's connection."""
        return current.get().alias
