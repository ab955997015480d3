"""The time of new documents, and the memory of a worker after 100,000 distinct ones."""

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter

import orjson
from equality import fetch_all
from figures import ColdDocument, Growth
from machine import read_memory
from servers import Server
from workload import GRAPHQL, PAGE, HttpRequest, Workload

from support.graphql_from_rest import EVERY_PAGINATION_FIELD, FIELDS

COLD_DOCUMENTS = 200
WARM_REPEATS = 3
SENDER_COUNT = 4
SAMPLE_COUNT = 10
SMALL, LARGE = (200, 400), (2000, 8000)
LARGE_EVERY = 10
MILLISECONDS = 1000


def measure_cold_documents(server: Server, variables: str) -> Sequence[ColdDocument]:
    """Measure requests with documents that differ in an alias: the first one, then warm ones."""
    with server.connect() as connection:
        server.send(connection, _aliased_request(-1, variables))
        figures: list[ColdDocument] = []
        for number in range(COLD_DOCUMENTS):
            request = _aliased_request(number, variables)
            times: list[float] = []
            for _ in range(1 + WARM_REPEATS):
                start = perf_counter()
                server.send(connection, request)
                times.append((perf_counter() - start) * MILLISECONDS)
            figures.append(ColdDocument(times[0], median(times[1:])))
    return figures


def measure_growth(server: Server, workloads: Sequence[Workload], count: int) -> Iterator[Growth]:
    """Measure a worker's memory when warm, and after each tenth of `count` distinct documents."""
    for workload in workloads:
        for _response in fetch_all(server, workload.requests):
            pass
    sent = rejected = 0
    yield _read_growth(server, sent, rejected)
    for sample in range(SAMPLE_COUNT):
        numbers = range(sample * count // SAMPLE_COUNT, (sample + 1) * count // SAMPLE_COUNT)
        rejected += _send(server, numbers)
        sent += len(numbers)
        yield _read_growth(server, sent, rejected)


def distinct_document(number: int) -> str:
    """Return a unique document of 200 to 400 characters; every tenth has 2,000 to 8,000."""
    rng = random.Random(number)
    length = rng.randint(*(LARGE if number % LARGE_EVERY == 0 else SMALL))
    start = (
        f"query D{number} {{ flows(page: {rng.randint(1, 50)}, pageSize: 5) {{"
        f" pagination {{ {EVERY_PAGINATION_FIELD} }} results {{"
    )
    parts = [start]
    size = len(start)
    names = tuple(FIELDS)
    while size < length - 6:
        parts.append(f"f{number}_{len(parts)}: {rng.choice(names)}")
        size += len(parts[-1]) + 1
    return " ".join((*parts, "} } }"))


def _aliased_request(number: int, variables: str) -> HttpRequest:
    document = PAGE.replace(" slug ", f" seen{number}: slug ").replace("\n", " ")
    encoded = orjson.dumps(document).decode()
    return HttpRequest("POST", GRAPHQL, f'{{"query": {encoded}, "variables": {variables}}}')


def _read_growth(server: Server, sent: int, rejected: int) -> Growth:
    memory = read_memory(server.pid)
    return Growth(sent, rejected, memory.pss_kib, memory.rss_kib)


def _send(server: Server, numbers: Sequence[int]) -> int:
    """Send the documents over several connections, and return the number of rejected ones."""
    queue = iter(numbers)
    lock = threading.Lock()

    def next_number(_: object = None) -> int | None:
        with lock:
            return next(queue, None)

    def send(_sender: int) -> int:
        rejected = 0
        with server.connect() as connection:
            while (number := next_number()) is not None:
                body = orjson.dumps({"query": distinct_document(number)}).decode()
                status, response = server.send(connection, HttpRequest("POST", GRAPHQL, body))
                rejected += status != 200 or b'"errors"' in response[:200]
        return rejected

    with ThreadPoolExecutor(SENDER_COUNT) as pool:
        return sum(pool.map(send, range(SENDER_COUNT)))
