"""The options of an import, its plan and its result."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

# Receives the step of an import, how much of it is done, and its size: bytes for `read`, rows for
# `write`.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of an import.

    `context` overrides the context of each file. With `keep_going`, each good file is imported in a
    transaction of its own. A dry run writes nothing and reports the plan.
    """

    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    keep_going: bool = False
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What an import would do with one object.

    `kind` is the name of a `Kind`, and `name` identifies the object for the reader. `fields` has the
    old and the new value of each field that changes; secrets are replaced. The old values of a new
    object and the new values of a deleted one are None.
    """

    action: Literal["create", "change", "delete"]
    kind: str
    name: str
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict[str, tuple[Any, Any]])


@dataclass(slots=True)
class RunningTotal:
    """Reports the sum of the numbers so far."""

    report: Callable[[int], object]
    total: int = 0

    def add(self, number: int) -> None:
        """Add a number."""
        self.total += number
        self.report(self.total)


@dataclass(slots=True)
class ImportReport:
    """The result of an import.

    `skipped` counts the entries that are not stored, by model, and `ignored` what is left out of
    entries, such as `authentik_core.user groups`. `placeholders` names the groups and users that
    were created because a gate refers to them. The other lists contain messages of one line:
    `omissions` for bindings that had to be left out, and `errors` for the files that were not
    imported although others were. Only a dry run has a `plan`.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    ignored: Counter[str] = field(default_factory=Counter[str])
    placeholders: list[str] = field(default_factory=list[str])
    omissions: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    errors: list[str] = field(default_factory=list[str])
    plan: list[PlannedChange] = field(default_factory=list[PlannedChange])

    def add(self, other: "ImportReport") -> None:
        """Add the result of another import."""
        for item in fields(self):
            total, added = getattr(self, item.name), getattr(other, item.name)
            setattr(self, item.name, total + added)
