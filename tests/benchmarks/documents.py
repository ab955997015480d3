"""Documents that were never seen before: what one costs, and what 100,000 of them leave behind."""

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter

import orjson
from equality import answers
from figures import ColdDocument, Growth
from machine import memory
from servers import Server
from workload import GRAPHQL, PAGE, Question, Workload

from support.graph import EVERY_PLACE, FIELDS

COLD_DOCUMENTS = 200
WARM_REPEATS = 3
SENDERS = 4
SAMPLES = 10
SMALL, LARGE = (200, 400), (2000, 8000)
LARGE_EVERY = 10
MILLISECONDS = 1000


def cold(server: Server, variables: str) -> Sequence[ColdDocument]:
    """What the page costs in documents that differ in an alias, each once cold and then warm."""
    with server.connected() as connection:
        server.ask(connection, _cold_question(-1, variables))
        measured: list[ColdDocument] = []
        for number in range(COLD_DOCUMENTS):
            question = _cold_question(number, variables)
            times: list[float] = []
            for _ in range(1 + WARM_REPEATS):
                start = perf_counter()
                server.ask(connection, question)
                times.append((perf_counter() - start) * MILLISECONDS)
            measured.append(ColdDocument(times[0], median(times[1:])))
    return measured


def grow(server: Server, workloads: Sequence[Workload], count: int) -> Iterator[Growth]:
    """What a worker holds when warm, then after each tenth of so many distinct documents."""
    for workload in workloads:
        for _answer in answers(server, workload.questions):
            pass
    sent = refused = 0
    yield _growth(server, sent, refused)
    for sample in range(SAMPLES):
        numbers = range(sample * count // SAMPLES, (sample + 1) * count // SAMPLES)
        refused += _send(server, numbers)
        sent += len(numbers)
        yield _growth(server, sent, refused)


def distinct_document(number: int) -> str:
    """A document like no other: 200 to 400 characters, every tenth 2,000 to 8,000."""
    chance = random.Random(number)
    length = chance.randint(*(LARGE if number % LARGE_EVERY == 0 else SMALL))
    start = (
        f"query D{number} {{ flows(page: {chance.randint(1, 50)}, pageSize: 5) {{"
        f" pagination {{ {EVERY_PLACE} }} results {{"
    )
    parts = [start]
    size = len(start)
    names = tuple(FIELDS)
    while size < length - 6:
        parts.append(f"f{number}_{len(parts)}: {chance.choice(names)}")
        size += len(parts[-1]) + 1
    return " ".join((*parts, "} } }"))


def _cold_question(number: int, variables: str) -> Question:
    document = PAGE.replace(" slug ", f" seen{number}: slug ").replace("\n", " ")
    encoded = orjson.dumps(document).decode()
    return Question("POST", GRAPHQL, f'{{"query": {encoded}, "variables": {variables}}}')


def _growth(server: Server, sent: int, refused: int) -> Growth:
    held = memory(server.pid)
    return Growth(sent, refused, held.pss_kib, held.rss_kib)


def _send(server: Server, numbers: Sequence[int]) -> int:
    """Send the documents over several connections; gives how many were refused."""
    waiting = iter(numbers)
    lock = threading.Lock()

    def next_number(_: object = None) -> int | None:
        with lock:
            return next(waiting, None)

    def send(_sender: int) -> int:
        refused = 0
        with server.connected() as connection:
            while (number := next_number()) is not None:
                body = orjson.dumps({"query": distinct_document(number)}).decode()
                status, answer = server.ask(connection, Question("POST", GRAPHQL, body))
                refused += status != 200 or b'"errors"' in answer[:200]
        return refused

    with ThreadPoolExecutor(SENDERS) as pool:
        return sum(pool.map(send, range(SENDERS)))
