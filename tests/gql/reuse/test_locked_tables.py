"""Responses are reused: they need no table, which a lock of another transaction proves."""

from contextlib import closing
from typing import LiteralString

import psycopg
import pytest

from support.app_client import Response
from support.postgres import PostgresServer
from support.reuse_data import KEYS
from support.reuse_databases import create_database
from support.reuse_readers import QUESTIONS, Question
from support.reuse_requests import ReuseClient
from support.server_process import run_server

LIST_TABLES: LiteralString = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
KINDS = ("authentik", "postgresql")


def read_all(client: ReuseClient, questions: list[Question]) -> dict[Question, Response]:
    """Return the responses to requests of all kinds."""
    return {question: client.send(question.request, KEYS[question.token]) for question in questions}


def is_kept(response: Response) -> bool:
    """Return whether a response has no errors, which are not kept."""
    return response.status == 200 and b'"errors"' not in response.body


@pytest.mark.parametrize("kind", KINDS)
def test_locked_tables_are_not_read(kind: str, postgres: PostgresServer) -> None:
    """An open transaction changes nothing that others see, even one that excludes all reads."""
    url = create_database(kind, postgres.create_database(f"locked {kind}"))
    with run_server(url) as (server_url, _), closing(ReuseClient(server_url)) as client:
        responses = read_all(client, QUESTIONS)
        kept = {question: response for question, response in responses.items() if is_kept(response)}
        with psycopg.connect(url) as connection:
            for (table,) in connection.execute(LIST_TABLES).fetchall():
                connection.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE'.encode())
            assert read_all(client, list(kept)) == kept
    assert len(kept) > len(QUESTIONS) / 2
