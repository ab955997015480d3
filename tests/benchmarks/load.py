"""Load on a server by wrk: 16 connections that repeat the requests of a workload."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import MachineError, pin_command
from workload import HttpRequest

CONNECTIONS = 16

# wrk calls request() when a connection is free; its one thread makes one cycle for all connections.
SCRIPT = """\
local parameters = {{
{parameters}
}}
local headers = {headers}
local requests = {{}}
local next = 0

function init(_)
  for number, parameter in ipairs(parameters) do
    requests[number] = wrk.format(parameter[1], parameter[2], headers, parameter[3])
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
    """A request failed."""


@dataclass(frozen=True, slots=True)
class Load:
    """The results of wrk: the number of responses, the time in seconds, and the latency."""

    requests: int
    seconds: float
    bytes: int
    errors: int
    p50_us: int
    p99_us: int


def require_wrk() -> None:
    """Raise MachineError if wrk is not installed."""
    if shutil.which("wrk") is None:
        raise MachineError("wrk is not installed: apt-get install wrk")


def write_script(path: Path, requests: Sequence[HttpRequest], headers: Mapping[str, str]) -> Path:
    """Write a script for wrk that repeats the requests in order, and return its path."""
    path.write_text(
        SCRIPT.format(
            parameters="\n".join(map(_render_lua, requests)),
            headers="{" + ", ".join(f'["{k}"] = {_quote(v)}' for k, v in headers.items()) + "}",
        )
    )
    return path


def run_wrk(url: str, script: Path, seconds: int, core: int) -> Load:
    """Load the server for some seconds from one core; raises LoadError if a request fails."""
    threads = ("--threads", "1", "--connections", str(CONNECTIONS), "--timeout", "20s")
    command = ["wrk", *threads, "--duration", f"{seconds}s", "--script", str(script), url]
    pinned = pin_command(core, command)
    process = subprocess.run(pinned, capture_output=True, text=True, check=False)
    figures = [line for line in process.stdout.splitlines() if line.startswith("FIGURES ")]
    if not figures:
        raise LoadError(f"wrk failed: {process.stdout}{process.stderr}")
    load = Load(**json.loads(figures[0].removeprefix("FIGURES ")))
    if load.errors:
        raise LoadError(
            f"{url}: {load.errors} of {load.requests} requests failed: {process.stdout}"
        )
    return load


def _render_lua(request: HttpRequest) -> str:
    method, target, body = map(_quote, (request.method, request.target, request.body))
    return f"  {{{method}, {target}, {body}}},"


def _quote(text: str) -> str:
    # No request contains the end of this kind of Lua string.
    return f"[==[{text}]==]"
