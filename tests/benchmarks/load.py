"""Load on a server: wrk, with 16 connections that go round the questions of a workload."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import MachineError, pinned
from workload import Question

CONNECTIONS = 16

# wrk asks for a request whenever a connection is free; it has one thread, so one cycle.
SCRIPT = """\
local questions = {{
{questions}
}}
local headers = {headers}
local requests = {{}}
local next = 0

function init(_)
  for number, question in ipairs(questions) do
    requests[number] = wrk.format(question[1], question[2], headers, question[3])
  end
end

function request()
  next = next % #requests + 1
  return requests[next]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\\nFIGURES {{"requests": %d, "seconds": %f, "bytes": %d, "errors": %d, "p50_us": %d, "p99_us": %d}}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


class LoadError(RuntimeError):
    """Not every request was answered as it should be."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw: requests that were answered, in how many seconds, and how soon each."""

    requests: int
    seconds: float
    bytes: int
    errors: int
    p50_us: int
    p99_us: int


def require_wrk() -> None:
    """Raise MachineError where wrk is missing."""
    if shutil.which("wrk") is None:
        raise MachineError("wrk is not installed: apt-get install wrk")


def write_script(path: Path, questions: Sequence[Question], headers: Mapping[str, str]) -> Path:
    """A script for wrk that asks the questions in turn, over and over; gives its path."""
    path.write_text(
        SCRIPT.format(
            questions="\n".join(map(_as_lua, questions)),
            headers="{" + ", ".join(f'["{k}"] = {_quoted(v)}' for k, v in headers.items()) + "}",
        )
    )
    return path


def put_on(url: str, script: Path, seconds: int, core: int) -> Load:
    """Ask the server for that long, from one core; raises LoadError for any failed request."""
    threads = ("--threads", "1", "--connections", str(CONNECTIONS), "--timeout", "20s")
    command = ["wrk", *threads, "--duration", f"{seconds}s", "--script", str(script), url]
    done = subprocess.run(pinned(core, command), capture_output=True, text=True, check=False)
    figures = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
    if not figures:
        raise LoadError(f"wrk failed: {done.stdout}{done.stderr}")
    load = Load(**json.loads(figures[0].removeprefix("FIGURES ")))
    if load.errors:
        raise LoadError(f"{url}: {load.errors} of {load.requests} requests failed: {done.stdout}")
    return load


def _as_lua(question: Question) -> str:
    method, target, body = map(_quoted, (question.method, question.target, question.body))
    return f"  {{{method}, {target}, {body}}},"


def _quoted(text: str) -> str:
    # No question has what would end this kind of quotation of Lua's.
    return f"[==[{text}]==]"
