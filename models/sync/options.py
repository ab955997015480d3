"""The options of a sync, and its result."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.sync.limits import DEFAULTS, ApiLimits


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The options of a sync.

    With `force`, a round may delete more than a third of the flows. With `no_delete`, objects that
    authentik no longer has are kept.
    """

    force: bool = False
    no_delete: bool = False
    limits: ApiLimits = DEFAULTS


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """The number of objects that a round has written, its warnings, and authentik's version."""

    created: int
    updated: int
    deleted: int
    unchanged: int
    warnings: Sequence[str] = ()
    version: str | None = None
