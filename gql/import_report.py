"""The output of `flowql import`: the plan, the result and the errors."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from gql.shortened import shorten, shorten_pair
from models.blueprint.format.entry import escape
from models.blueprint.report import ImportOptions, ImportReport, PlannedChange

MAX_MESSAGES = 1_000
MAX_NAMES = 20
JSON = json.JSONEncoder(ensure_ascii=False, default=str)
SECRET = JSON.encode({"$secret": True})
ACTIONS = ("create", "change", "delete")


def render_plan(report: ImportReport) -> Iterator[str]:
    """Yield one line per change of a dry run, in an order that does not depend on the files'."""
    for _, lines in sorted((ACTIONS.index(c.action), _render_change(c)) for c in report.plan):
        yield from map(escape, lines)
    for model, count in sorted(report.skipped.items()):
        yield escape(f"skip {count} {shorten(model)}")


def render_report(report: ImportReport, options: ImportOptions) -> Iterator[str]:
    """Yield the messages of an import, and its summary."""
    yield from _limit([f"warning: {message}" for message in report.warnings], "warnings")
    yield from _limit(report.omissions, "omitted bindings")
    yield from render_errors(report.errors, "their files were not imported")
    yield _render_counts(report, options)
    if report.ignored:
        yield f"ignored: {_render_counter(report.ignored)}"
    if report.placeholders:
        yield escape(f"placeholders for {_render_names(sorted(report.placeholders))}")


def render_errors(
    errors: Sequence[str], consequence: str = "nothing was imported"
) -> Iterator[str]:
    """Yield the errors, and what follows from them if there are several."""
    yield from _limit(errors, "errors")
    if len(errors) > 1:
        yield f"{len(errors):,} errors: {consequence}"


def _render_change(change: PlannedChange) -> Sequence[str]:
    title = f"{change.action} {change.kind} {_render_value(change.name)}"
    fields = sorted(change.fields.items())
    if change.action == "change":
        return [f"{title}: {name} {_render_difference(*values)}" for name, values in fields]
    if change.action == "delete":
        return [title]
    pairs = ((name, new) for name, (_, new) in fields if new not in (None, ""))
    values = ", ".join(f"{name} {shorten(_render_value(new))}" for name, new in pairs)
    return [f"{title}: {values}" if values else title]


def _render_difference(old: Any, new: Any) -> str:
    return " -> ".join(shorten_pair(_render_value(old), _render_value(new)))


def _render_value(value: Any) -> str:
    # A string that looks like a secret has its quotes escaped.
    return JSON.encode(value).replace(SECRET, "secret")


def _render_counts(report: ImportReport, options: ImportOptions) -> str:
    prefix = "dry run, nothing was written: " if options.is_dry_run else ""
    skipped = _render_counter(report.skipped)
    return (
        f"{prefix}{report.created} created, {report.updated} updated, {report.unchanged} unchanged,"
        f" {report.deleted} deleted, {report.skipped.total()} skipped"
        f"{f' ({skipped})' if skipped else ''}"
    )


def _render_counter(counter: Counter[str]) -> str:
    return escape(", ".join(f"{count} {shorten(name)}" for name, count in sorted(counter.items())))


def _render_names(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join([*names[:MAX_NAMES], *([f"and {more:,} more"] if more > 0 else [])])


def _limit(messages: Sequence[str], noun: str) -> Iterator[str]:
    yield from map(escape, messages[:MAX_MESSAGES])
    if len(messages) > MAX_MESSAGES:
        yield f"… and {len(messages) - MAX_MESSAGES:,} more {noun}"
