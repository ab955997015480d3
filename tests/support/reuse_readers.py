"""Readers of the content of tests of reuse: they send requests while it changes."""

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import NamedTuple

from support.app_client import Response
from support.reuse_data import KEYS, PHASES, RIGHTS_PHASES
from support.reuse_history import Observation, Phases, parse_content
from support.reuse_requests import REQUESTS, ReuseClient, ReuseRequest

# Most requests are for few answers, which can then be reused.
HOT_SIZE, HOT_REQUESTS, HOT_SHARE = 3, 60, 0.85
MAX_ERRORS = 5


class Question(NamedTuple):
    """A request of a token."""

    request: ReuseRequest
    token: str

    @property
    def name(self) -> str:
        """The name for messages."""
        return f"{self.request.name} of {self.token}"


class Stored(NamedTuple):
    """A response that a client has stored, with its ETag."""

    etag: str
    body: bytes


QUESTIONS = [Question(request, token) for request in REQUESTS for token in KEYS]
# The phases in which a response is the right one, by its status and its text.
Answers = Mapping[tuple[int, str], frozenset[Phases]]


def read_answers(
    url: str, set_rights: Callable[[int], None], set_content: Callable[[int], None]
) -> Mapping[Question, Answers]:
    """Ask a server all questions in all phases."""
    found: dict[Question, dict[tuple[int, str], set[Phases]]] = {name: {} for name in QUESTIONS}
    with closing(ReuseClient(url)) as client:
        for content in range(PHASES):
            set_content(content)
            for rights in range(RIGHTS_PHASES):
                set_rights(rights)
                for question in QUESTIONS:
                    if question.token != "toggled" and rights:
                        continue
                    response = client.send(question.request, KEYS[question.token])
                    status, text, _ = parse_content(response.status, response.body)
                    phases = (
                        {Phases(rights, content)}
                        if question.token == "toggled"
                        else {Phases(number, content) for number in range(RIGHTS_PHASES)}
                    )
                    found[question].setdefault((status, text), set()).update(phases)
    return {
        question: {answer: frozenset(phases) for answer, phases in answers.items()}
        for question, answers in found.items()
    }


@dataclass(slots=True)
class Recorder:
    """The responses of all readers, and the errors that are visible without the history."""

    answers: Mapping[Question, Answers]
    count: int
    observations: list[Observation] = field(default_factory=list[Observation])
    errors: list[str] = field(default_factory=list[str])
    statuses: Counter[int] = field(default_factory=Counter[int])
    digests: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _hot: Sequence[Question] = ()
    _picked: int = 0
    _rng: random.Random = field(default_factory=lambda: random.Random(1))
    _lock: Lock = field(default_factory=Lock)

    def pick(self) -> Question | None:
        """Return the next question, None after the last one."""
        with self._lock:
            if self._picked >= self.count or len(self.errors) >= MAX_ERRORS:
                return None
            if self._picked % HOT_REQUESTS == 0:
                self._hot = self._rng.sample(QUESTIONS, HOT_SIZE)
            self._picked += 1
            questions = self._hot if self._rng.random() < HOT_SHARE else QUESTIONS
            return self._rng.choice(questions)

    def add(self, question: Question, sent: float, response: Response, body: bytes) -> None:
        """Record a response, whose body a client can have stored before."""
        received = time.monotonic()
        self.statuses[response.status] += 1
        self._check_headers(question, response, body)
        status = 200 if response.status == 304 else response.status
        content = parse_content(status, body)
        phases = self.answers[question].get((content.status, content.text))
        if phases is None:
            self.errors.append(f"{question.name}: no state has this response: {response} {body!r}")
        else:
            self.observations.append(
                Observation(question.name, sent, received, content.numbers, phases)
            )

    def _check_headers(self, question: Question, response: Response, body: bytes) -> None:
        etag = response.headers.get("etag")
        digest = hashlib.sha256(body).digest()
        if etag is not None and self.digests.setdefault(etag, digest) != digest:
            self.errors.append(f"{question.name}: two bodies have the ETag {etag}")
        is_error = response.status not in (200, 304)
        if is_error and etag is not None:
            self.errors.append(f"{question.name}: an error has an ETag: {response}")
        if response.status == 304 and response.body:
            self.errors.append(f"{question.name}: a 304 has a body: {response}")


def run_readers(url: str, recorder: Recorder, threads: int) -> None:
    """Send requests over some connections until the recorder has enough."""
    readers = [Thread(target=_read, args=(url, recorder, number)) for number in range(threads)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()


def _read(url: str, recorder: Recorder, number: int) -> None:
    try:
        _read_all(url, recorder, random.Random(number))
    except BaseException as error:  # noqa: BLE001 - the test raises it
        recorder.errors.append(f"a reader failed: {error!r}")


def _read_all(url: str, recorder: Recorder, rng: random.Random) -> None:
    stored: dict[Question, Stored] = {}
    with closing(ReuseClient(url)) as client:
        while question := recorder.pick():
            known = stored.get(question) if rng.random() < 0.7 else None
            headers = {} if known is None else {"if-none-match": known.etag}
            sent = time.monotonic()
            response = client.send(question.request, KEYS[question.token], headers)
            body = known.body if known and response.status == 304 else response.body
            recorder.add(question, sent, response, body)
            if etag := response.headers.get("etag"):
                stored[question] = Stored(etag, body)
