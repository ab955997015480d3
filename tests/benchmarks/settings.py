"""Compare the CPU time of settings with Strawberry's: python tests/benchmarks/settings.py --help."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

# The benchmark uses the test suite's support modules.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import cyclopts
import orjson
import psycopg
from data import all_rows, fill_postgresql
from figures import RESULTS
from load import require_wrk, run_wrk, write_script
from machine import Cores, assign_cores, describe_machine, read_cpu_seconds
from psycopg import sql
from pydantic import TypeAdapter
from servers import Server, ServerKind, dataloaders, flowql, run_server
from workload import GRAPHQL, NESTED, HttpRequest

from support.paths import BUILD
from support.postgres import PostgresServer

POSTGRESQL = "PostgreSQL"
GOAL = 1 / 20
PAGES = 50
WARM_SECONDS = 1
QUERY = NESTED.replace("stage { name }", "stage { name settings }")
# The tables of the types of stages, with their columns.
TYPES: Mapping[str, Sequence[str]] = {
    "authentik_stages_password_passwordstage": (
        *("backends", "failed_attempts_before_cancel", "allow_show_password", "configure_flow_id"),
    ),
    "authentik_stages_user_login_userloginstage": (
        *("session_duration", "terminate_other_sessions", "remember_me_offset", "geoip_binding"),
        *("network_binding", "remember_device"),
    ),
    "authentik_stages_user_write_userwritestage": (
        *("user_creation_mode", "create_users_as_inactive", "user_type", "user_path_template"),
    ),
    "authentik_stages_email_emailstage": (
        *("use_global_settings", "host", "port", "username", "use_tls", "use_ssl", "timeout"),
        *("from_address", "token_expiry", "subject", "template", "activate_user_on_success"),
    ),
    "authentik_stages_consent_consentstage": ("mode", "consent_expire_in"),
}
# The columns that are not text.
TEXT = sql.SQL("text")
COLUMN_TYPES = {
    "backends": sql.SQL("text[]"),
    "failed_attempts_before_cancel": sql.SQL("integer"),
    "port": sql.SQL("integer"),
    "timeout": sql.SQL("integer"),
    "configure_flow_id": sql.SQL("uuid REFERENCES authentik_flows_flow (flow_uuid)"),
    **dict.fromkeys(
        (
            *("allow_show_password", "terminate_other_sessions", "create_users_as_inactive"),
            *("use_global_settings", "use_tls", "use_ssl", "activate_user_on_success"),
        ),
        sql.SQL("boolean"),
    ),
}


@dataclass(frozen=True, slots=True)
class SettingsFigure:
    """The CPU milliseconds of a request for 20 flows, in one round."""

    flowql: float
    flowql_without_settings: float
    strawberry: float


@dataclass(frozen=True, slots=True)
class SettingsResults:
    """All rounds on one machine."""

    date: str
    machine: dict[str, str]
    rounds: Sequence[SettingsFigure]

    @property
    def ratio(self) -> float:
        """The median of the ratio of the CPU times, to be GOAL or less."""
        return median(item.flowql / item.strawberry for item in self.rounds)


def run(*, rounds: int = 5, seconds: int = 4) -> None:
    """Measure pages of 20 flows with the settings of all stages, on authentik's PostgreSQL.

    Both servers run on one core and answer the same requests in turn.
    """
    require_wrk()
    cores = assign_cores()
    with PostgresServer() as server:
        url = fill_settings(fill_postgresql(server.create_database("settings")))
        with run_server(flowql(url, POSTGRESQL), cores.server) as ours:
            check_equal(ours, peer_kind(url), cores)
            figures = [measure_round(ours, peer_kind(url), cores, seconds) for _ in range(rounds)]
    results = SettingsResults(f"{datetime.now(UTC):%Y-%m-%d}", dict(describe_machine()), figures)
    path = RESULTS / "settings.json"
    path.write_bytes(TypeAdapter(SettingsResults).dump_json(results, indent=2) + b"\n")
    for figure in figures:
        print(figure)  # noqa: T201 - the output
    print(f"ratio 1/{1 / results.ratio:.1f}; goal 1/{1 / GOAL:.0f}")  # noqa: T201 - the output


def peer_kind(url: str) -> ServerKind:
    """Return the peer with the tables of settings."""
    kind = dataloaders(url, POSTGRESQL)
    return replace(kind, command=(*kind.command, orjson.dumps(TYPES).decode()))


def check_equal(ours: Server, peer: ServerKind, cores: Cores) -> None:
    """Check that both servers return the same data for all pages."""
    with run_server(peer, cores.server) as theirs:
        for page in range(1, PAGES + 1):
            request = build_request(QUERY, page)
            with ours.connect() as connection, theirs.connect() as other:
                bodies = [
                    orjson.loads(server.send(link, request)[1])
                    for server, link in ((ours, connection), (theirs, other))
                ]
            if bodies[0] != bodies[1] or "errors" in bodies[0]:
                raise RuntimeError(f"the responses for page {page} differ: {bodies}")


def measure_round(ours: Server, peer: ServerKind, cores: Cores, seconds: int) -> SettingsFigure:
    """Measure the CPU time of each server in one round."""
    with run_server(peer, cores.server) as theirs:
        strawberry = measure(theirs, QUERY, seconds, cores)
    return SettingsFigure(
        measure(ours, QUERY, seconds, cores), measure(ours, NESTED, seconds, cores), strawberry
    )


def measure(server: Server, query: str, seconds: int, cores: Cores) -> float:
    """Return the CPU milliseconds of the server for each request, under the load of wrk."""
    requests = [build_request(query, page) for page in range(1, PAGES + 1)]
    script = write_script(BUILD / "settings.lua", requests, server.kind.headers)
    run_wrk(server.url, script, WARM_SECONDS, cores.others)
    start = read_cpu_seconds(server.pid)
    load = run_wrk(server.url, script, seconds, cores.others)
    return (read_cpu_seconds(server.pid) - start) * 1000 / load.requests


def build_request(query: str, page: int) -> HttpRequest:
    """Return the request for a page."""
    body = orjson.dumps({"query": query, "variables": {"page": page}}).decode()
    return HttpRequest("POST", GRAPHQL, body)


def fill_settings(url: str) -> str:
    """Give each stage a type with settings, in authentik's tables, and return the URL."""
    rows = all_rows()
    flow = str(rows["authentik_flows_flow"][0]["flow_uuid"])
    with psycopg.connect(url) as connection:
        for table, columns in TYPES.items():
            definitions = [
                sql.SQL("{} {}").format(sql.Identifier(name), COLUMN_TYPES.get(name, TEXT))
                for name in columns
            ]
            create = sql.SQL("CREATE TABLE {} (stage_ptr_id uuid PRIMARY KEY, {})")
            connection.execute(
                create.format(sql.Identifier(table), sql.SQL(", ").join(definitions))
            )
        tables = list(TYPES)
        for number, stage in enumerate(rows["authentik_flows_stage"]):
            table = tables[number % len(tables)]
            values = [build_value(name, number, flow) for name in TYPES[table]]
            insert = sql.SQL("INSERT INTO {} VALUES ({})").format(
                sql.Identifier(table), sql.SQL(", ").join(sql.Placeholder() * (len(values) + 1))
            )
            connection.execute(insert, [stage["stage_uuid"], *values])
        connection.execute("ANALYZE")
    return url


def build_value(name: str, number: int, flow: str) -> Any:
    """Return the value of a column."""
    match COLUMN_TYPES.get(name, TEXT).as_string().partition(" ")[0]:
        case "text[]":
            return ["authentik.core.auth.InbuiltBackend", "authentik.core.auth.TokenBackend"]
        case "integer":
            return number
        case "uuid":
            return flow
        case "boolean":
            return number % 2 == 0
        case _:
            return f"{name} {number}"


if __name__ == "__main__":
    cyclopts.run(run)
