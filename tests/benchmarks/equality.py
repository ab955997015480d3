"""Whether all servers answer every question with the same data: else no figure would mean a thing."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from servers import OURS, STATIC, Server
from workload import Question, Workload

from support.graph import ENUMS, FIELDS, PAGINATION

EXCERPT = 400
# The graph's `background` is the URL, which REST's documented dialect calls by the same name.
REST_NAMES = {**FIELDS, "background": "background"}


class DifferentAnswersError(RuntimeError):
    """Two servers do not say the same; the message shows where."""


def check(workload: Workload, servers: Sequence[Server]) -> str:
    """Raise DifferentAnswersError unless all servers agree; gives the digest of all answers."""
    first, *others = [server for server in servers if server.kind.name != STATIC]
    expected = list(answers(first, workload.questions))
    for server in others:
        actual = answers(server, workload.questions)
        for question, mine, theirs in zip(workload.questions, expected, actual, strict=True):
            if digest(mine) != digest(theirs):
                who = f"{first.kind.label} and {server.kind.label}"
                raise DifferentAnswersError(_difference(who, question, mine, theirs))
    return digest(expected)


def check_rest(page: Workload, listed: Workload, server: Server) -> None:
    """Raise DifferentAnswersError unless REST says of each page what GraphQL says of it."""
    graph, rest = answers(server, page.questions), answers(server, listed.questions)
    for question, told, found in zip(listed.questions, graph, rest, strict=True):
        derived = _as_rest(told["data"]["flows"])
        if digest(derived) != digest(found):
            raise DifferentAnswersError(_difference("GraphQL and REST", question, derived, found))


def answers(server: Server, questions: Sequence[Question]) -> Iterator[Any]:
    """The data that each question is answered with; raises DifferentAnswersError for an error."""
    with server.connected() as connection:
        for question in questions:
            status, body = server.ask(connection, question)
            told = orjson.loads(body) if status == 200 else None
            if told is None or "errors" in told or not _has_data(told):
                raise DifferentAnswersError(
                    f"{server.kind.label} answers {question} with {status}: {body[:EXCERPT]!r}"
                )
            yield told


def digest(value: Any) -> str:
    """What is the same for the same data, however its keys are ordered."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def ours_of(servers: Sequence[Server]) -> Server:
    """FlowQL among the servers."""
    return next(server for server in servers if server.kind.name == OURS)


def _has_data(told: Mapping[str, Any]) -> bool:
    if "results" in told:
        return bool(told["results"])
    data = told["data"]
    return bool(data["flows"]["results"] if "flows" in data else data["flow"])


def _difference(who: str, question: Question, mine: Any, theirs: Any) -> str:
    ours, others = orjson.dumps(mine).decode(), orjson.dumps(theirs).decode()
    pairs = enumerate(zip(ours, others, strict=False))
    place = next((n for n, (one, other) in pairs if one != other), 0)
    start = max(0, place - EXCERPT // 4)
    excerpts = f"{ours[start : start + EXCERPT]}\n{others[start : start + EXCERPT]}"
    return f"{who} differ on {question}:\n{excerpts}"


def _as_rest(page: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "pagination": {rest: page["pagination"][name] for name, rest in PAGINATION.items()},
        "results": [
            {rest: _rest_value(name, flow[name]) for name, rest in REST_NAMES.items()}
            for flow in page["results"]
        ],
    }


def _rest_value(name: str, value: Any) -> Any:
    return value.lower() if name in ENUMS else value
