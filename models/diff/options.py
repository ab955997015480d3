"""How the sources of a comparison are named and opened."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
WEB_SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class SideOptions:
    """How sides are opened.

    `tokens` are the tokens of live systems by host, with the port if the URL has one; `token` is for
    a host without one. `context` overrides the context of blueprints. `schema` is that of
    PostgreSQL.
    """

    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tokens: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    schema: str = "public"


def is_live_system(argument: str) -> bool:
    """Return whether a source is the URL of an authentik."""
    scheme = SCHEME.match(argument)
    return scheme is not None and scheme[1].lower() in WEB_SCHEMES
