"""The time of a response does not tell a hidden object from a missing one."""

import gc
import json
import random
from collections.abc import Iterator, Sequence
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

import hypothesis
import pytest

from support.app_client import JSON_HEADERS, AppClient, Response, bearer_headers
from support.databases import KINDS
from support.edge_case_data import identifier
from support.postgres import PostgresServer
from support.rights_databases import RIGHTS_DATABASES
from support.rights_hidden_uses import (
    BINDING_VIEWERS,
    BOUND_POLICY,
    HIDDEN_FLOW,
    HIDDEN_NAME,
    HIDDEN_POLICY,
    HIDDEN_POLICY_BINDING,
    HIDDEN_SLUG,
    HIDDEN_STAGE,
    HIDDEN_STAGE_BINDING,
    HIDDEN_TYPES,
    VIEWERS,
    build_hidden_uses,
)
from support.rights_tables import STAGES as STAGE_TABLE
from support.stored_values import global_id

# The number of samples of each object: 1,500 in the full profile.
SAMPLES = hypothesis.settings().max_examples * 3 // 4
WARM_UPS = 10
# The allowed difference of medians: a fraction of the median, and a number of standard errors.
TOLERANCE = 0.15
STANDARD_ERRORS = 5
MISSING = identifier("hidden uses", "missing")
MISSING_SLUG = "missing-0"


class Request(NamedTuple):
    """A request for an object by a key."""

    method: str
    target: str
    body: bytes = b""

    def send(self, client: AppClient, token: str) -> Response:
        """Send the request with a token."""
        headers = {**bearer_headers(token), **JSON_HEADERS}
        return client.request(self.method, self.target, headers, self.body)


def request_graphql(query: str, key: str) -> Request:
    """Return a request with the query, which has one variable."""
    return Request(
        "POST", "/graphql", json.dumps({"query": query, "variables": {"key": key}}).encode()
    )


FLOW = "query ($key: String!) { flow(slug: $key) { pk name stages stageBindings { pk } } }"
STAGE = "query ($key: UUID!) { stage(pk: $key) { pk name type flows { slug } } }"
POLICY = "query ($key: UUID!) { policy(pk: $key) { pk name type flows { slug } } }"
NODES = """query ($key: ID!) { nodes(ids: [$key, $key]) {
    ... on Stage { name type flows { slug } } ... on Policy { name type flows { slug } } } }"""
STAGES = """query ($key: String!) { stages(where: {name: {contains: $key}}) {
    totalCount nodes { pk name flows { slug } } } }"""
STAGES_BY_TYPE = """query ($key: String!) { stages(where: {type: {equals: $key}}) {
    nodes { pk name } } }"""
POLICIES = """query ($key: String!) { policies(where: {name: {contains: $key}}) {
    totalCount nodes { pk name flows { slug } } } }"""
POLICIES_BY_PK = """query ($key: UUID!) { policies(where: {pk: {equals: $key}}) {
    nodes { pk name flows { slug } } } }"""
FLOWS_BY_STAGE = """query ($key: String!) {
    flowConnection(where: {stage: {name: {contains: $key}}}) { nodes { slug } } }"""
BINDING_NODES = """query ($key: ID!) { nodes(ids: [$key, $key]) { ... on Flow { slug stages }
    ... on FlowStageBinding { pk order flow { slug } }
    ... on PolicyBinding { pk order policy { name } } } }"""
# No name contains it.
MISSING_NAME = "absent-"
MISSING_TYPE = "authentik_stages_deny.nonestage"
# A request for a hidden object, and one for a missing object.
REQUESTS = {
    "flow": [request_graphql(FLOW, key) for key in (HIDDEN_SLUG, MISSING_SLUG)],
    "REST": [
        Request("GET", f"/api/v3/flows/instances/{key}/") for key in (HIDDEN_SLUG, MISSING_SLUG)
    ],
    "stage": [request_graphql(STAGE, key) for key in (HIDDEN_STAGE, MISSING)],
    "policy": [request_graphql(POLICY, key) for key in (HIDDEN_POLICY, MISSING)],
    "stage node": [
        request_graphql(NODES, global_id("Stage", key)) for key in (HIDDEN_STAGE, MISSING)
    ],
    "policy node": [
        request_graphql(NODES, global_id("Policy", key)) for key in (HIDDEN_POLICY, MISSING)
    ],
    "bound policy": [request_graphql(POLICY, key) for key in (BOUND_POLICY, MISSING)],
    "bound policies": [request_graphql(POLICIES_BY_PK, key) for key in (BOUND_POLICY, MISSING)],
    "stages": [request_graphql(STAGES, name) for name in (HIDDEN_NAME, MISSING_NAME)],
    "policies": [request_graphql(POLICIES, name) for name in (HIDDEN_NAME, MISSING_NAME)],
    "stages by type": [
        request_graphql(STAGES_BY_TYPE, name)
        for name in (str(HIDDEN_TYPES[STAGE_TABLE]), MISSING_TYPE)
    ],
    "flows by stage": [
        request_graphql(FLOWS_BY_STAGE, name) for name in (HIDDEN_NAME, MISSING_NAME)
    ],
    **{
        f"{type_} node": [
            request_graphql(BINDING_NODES, global_id(type_, key)) for key in (hidden, MISSING)
        ]
        for type_, hidden in (
            ("Flow", HIDDEN_FLOW),
            ("FlowStageBinding", HIDDEN_STAGE_BINDING),
            ("PolicyBinding", HIDDEN_POLICY_BINDING),
        )
    },
}
# The viewers of VIEWERS see the same flows, the others all flows.
CASES = [
    ("flow", "objects"),
    ("REST", "objects"),
    *(("stage", token) for token in VIEWERS),
    *(("policy", token) for token in VIEWERS),
    ("stage node", "objects"),
    ("policy node", "objects"),
    *((f"{type_} node", "objects") for type_ in ("Flow", "FlowStageBinding", "PolicyBinding")),
    *(("bound policy", token) for token in BINDING_VIEWERS),
    ("bound policies", "bindings"),
    *((name, token) for name in ("stages", "policies") for token in ("objects", "components")),
    ("stages by type", "components"),
    ("flows by stage", "components"),
]


@pytest.fixture(scope="module", params=KINDS)
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppClient]:
    """Run FlowQL on each kind of database in turn, with many hidden flows."""
    url = f"sqlite:///{tmp_path_factory.mktemp('timing') / 'flowql.db'}"
    if request.param != "sqlite":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database(f"rights_timing_{request.param}")
    with RIGHTS_DATABASES[request.param](url) as database:
        database.write(build_hidden_uses())
        database.clean()
        with AppClient(url, viewer_ttl=0) as opened:
            yield opened


@pytest.mark.parametrize(("name", "token"), CASES)
def test_hidden_objects_take_no_longer(client: AppClient, name: str, token: str) -> None:
    """The median times of hidden and missing objects differ by less than the tolerance."""
    hidden, missing = measure(client, REQUESTS[name], token)
    allowed = TOLERANCE * median(missing) + STANDARD_ERRORS * standard_error(hidden, missing)
    assert abs(median(hidden) - median(missing)) <= allowed, (median(hidden), median(missing))


def measure(client: AppClient, requests: Sequence[Request], token: str) -> Sequence[list[int]]:
    """Return the times of each request in nanoseconds; the requests alternate in random order."""
    assert len({request.send(client, token).body for request in requests}) == 1
    rng = random.Random(2031)
    times: list[list[int]] = [[] for _ in requests]
    gc.collect()
    gc.disable()
    try:
        for _ in range(WARM_UPS + SAMPLES):
            for index in rng.sample(range(len(requests)), len(requests)):
                start = perf_counter_ns()
                requests[index].send(client, token)
                times[index].append(perf_counter_ns() - start)
    finally:
        gc.enable()
    return [values[WARM_UPS:] for values in times]


def standard_error(*samples: Sequence[int]) -> float:
    """Estimate the standard error of the difference of the medians of two samples.

    The median absolute deviation, times 1.4826, estimates the standard deviation, which is 1.2533
    times smaller than that of the median for one value.
    """
    variances = (
        (1.4826 * 1.2533 * median(abs(value - median(values)) for value in values)) ** 2
        / len(values)
        for values in samples
    )
    return sum(variances) ** 0.5
