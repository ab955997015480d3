"""The output of `flowql diff`: text, JSON and Markdown."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from gql.shortened import shorten, shorten_pair
from models.blueprint.format.entry import escape
from models.diff.changes import Change, ChangeKind, Difference

ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
SYMBOLS = {
    ChangeKind.ADDED: "+",
    ChangeKind.REMOVED: "-",
    ChangeKind.CHANGED: "~",
    ChangeKind.MOVED: ">",
    ChangeKind.RENAMED: "=",
    ChangeKind.EXTRA: "?",
}
STYLES = {
    ChangeKind.ADDED: "green",
    ChangeKind.REMOVED: "red",
    ChangeKind.CHANGED: "yellow",
    ChangeKind.MOVED: "cyan",
    ChangeKind.RENAMED: "cyan",
    ChangeKind.EXTRA: "dim",
}
EXTRA_NOTE = "which a blueprint does not mention: --exact counts it"
EXTRA_NOTES = "which a blueprint does not mention: --exact counts them"


def render_text(difference: Difference) -> Iterator[Text]:
    """Yield one line for each change, with a symbol and a colour for its kind."""
    for change in difference.changes:
        line = f"{SYMBOLS[change.kind]} {change.path}{_render_values(change)}"
        yield Text(escape(line), STYLES[change.kind])


def render_summary(difference: Difference) -> Iterator[str]:
    """Yield the numbers of differences, and of the objects that do not count."""
    counts = dict(difference.count_by_kind())
    extra = counts.pop(ChangeKind.EXTRA, 0)
    kinds = ", ".join(f"{count:,} {kind.value}" for kind, count in counts.items())
    total = sum(counts.values())
    yield f"{_count(total, 'difference')}: {kinds}" if total else "no differences"
    if extra:
        verb, note = ("does", EXTRA_NOTE) if extra == 1 else ("do", EXTRA_NOTES)
        yield f"{_count(extra, 'extra object')} {verb} not count, {note}"


def render_json(difference: Difference) -> str:
    """Return a JSON array with one object for each change."""
    changes = [build_object(change) for change in difference.changes]
    return json.dumps(changes, indent=2, ensure_ascii=False, default=str)


def build_object(change: Change) -> Mapping[str, Any]:
    """Return a change as JSON."""
    return {
        "path": change.path,
        "kind": change.kind.value,
        "before": change.before,
        "after": change.after,
        "object": change.object,
        "objectKind": change.object_kind,
        "attribute": change.attribute,
        "flows": sorted(change.flows),
    }


def render_markdown(difference: Difference) -> Iterator[str]:
    """Yield the lines of a Markdown document, for the comment on a pull request."""
    summary, *notes = render_summary(difference)
    yield f"### {summary[:1].upper()}{summary[1:]}"
    if difference.counted:
        yield from ("", "| | Path | Before | After |", "| --- | --- | --- | --- |")
        yield from map(_render_row, difference.counted)
    extra = [change for change in difference.changes if change.kind is ChangeKind.EXTRA]
    if extra:
        yield from ("", f"<details><summary>{notes[0]}</summary>", "")
        yield from (f"- {_render_code(change.path, is_cell=False)}" for change in extra)
        yield from ("", "</details>")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _render_values(change: Change) -> str:
    if change.attribute is not None:
        return f": {' -> '.join(_render_pair(change.before, change.after))}"
    if change.kind is not ChangeKind.ADDED:
        return ""
    values = ", ".join(
        f"{name} {shorten(ENCODER.encode(value))}"
        for name, value in sorted(change.after.items())
        if value not in (None, "", [])
    )
    return f": {values}" if values else ""


def _render_pair(before: Any, after: Any) -> tuple[str, str]:
    """Return two values as JSON, cut around their first difference if they are long."""
    return shorten_pair(ENCODER.encode(before), ENCODER.encode(after))


def _render_row(change: Change) -> str:
    before = after = ""
    if change.attribute is not None:
        before, after = map(_render_code, _render_pair(change.before, change.after))
    return f"| {change.kind.value} | {_render_code(change.path)} | {before} | {after} |"


def _render_code(text: str, *, is_cell: bool = True) -> str:
    """Return a text as code: backticks would end it, and bars would end a cell."""
    fence = "`" * (_find_longest_run(text) + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    escaped = escape(text).replace("|", "\\|") if is_cell else escape(text)
    return f"{fence}{padding}{escaped}{padding}{fence}"


def _find_longest_run(text: str) -> int:
    return max(map(len, "".join(c if c == "`" else " " for c in text).split()), default=0)
