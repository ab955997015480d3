"""The output of `flowql sync`: the warnings and the result of a round."""

from collections.abc import Iterator

from models.blueprint.format.entry import escape
from models.sync.options import MirrorReport


def render_report(report: MirrorReport) -> Iterator[str]:
    """Yield the messages of a round, and its summary."""
    yield from (escape(f"warning: {message}") for message in report.warnings)
    version = f" from authentik {escape(report.version)}" if report.version else ""
    yield (
        f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged,"
        f" {report.deleted} deleted{version}"
    )
