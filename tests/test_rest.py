"""The REST shim says what Django REST framework says."""

import json

from gateway import Gateway
from reference.requests import random_requests
from reference.site import Reference


def test_random_requests_get_the_reference_s_answers(
    on_authentik: Gateway, reference: Reference
) -> None:
    """Status and JSON of 1,500 requests, key order included, are Django REST framework's."""
    for request in random_requests(seed=2026, count=1500):
        expected = reference.ask(request.method, request.target, request.headers)
        actual = on_authentik.ask(request.method, request.target, request.headers)
        assert (request, expected.status) == (request, actual.status)
        if "/export/" not in request.target and request.method != "HEAD":
            assert pairs(expected.body) == pairs(actual.body), request


def pairs(body: bytes) -> object:
    """JSON with its objects as lists of pairs, so that the order of keys counts."""
    return json.loads(body, object_pairs_hook=list)
