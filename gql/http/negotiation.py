"""The media types of answers: which one a request wants, and whether it takes JSON at all."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from starlette.datastructures import Headers

# Django REST framework's bounds: what lies beyond is as if it were not there.
MAX_HEADER_LENGTH = 8192
MAX_TYPES = 64
MAX_TYPE_LENGTH = 256

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"
SVG = "image/svg+xml"
UTF8_NAMES = ("utf-8", "utf8")
WEIGHT = re.compile(r"0?\.\d+|[01]\.?0*", re.ASCII)
# How many Accept headers are remembered with what they ask for.
MAX_CACHED = 128


class Quality(NamedTuple):
    """How much a media type is wanted, from 0 to 1; `is_named` where it is, and not by a wildcard."""

    weight: float = 0
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class Negotiation:
    """What an Accept header asks GraphQL's endpoint for.

    `media_type` is that of answers, None where neither will do; `is_page` tells a browser that came
    to look.
    """

    media_type: str | None
    is_page: bool = False


def accepts_json(headers: Headers) -> bool:
    """Whether the Accept header admits application/json, as Django REST framework decides it.

    Weights do not count.
    """
    return any(_is_json(_name(one)) for one in _ranges(_accept(headers)))


def best_match(headers: Headers, offered: Sequence[str]) -> str | None:
    """The media type that the Accept header wants most by its weights; None where it admits none.

    Of equal weights one that is named wins, and then the first.
    """
    ranges = [(_name(one), _weight(one)) for one in _ranges(_accept(headers))]
    best = max(offered, key=lambda media_type: _quality(ranges, media_type))
    return best if _quality(ranges, best).weight else None


def _accept(headers: Headers) -> str:
    return ",".join(headers.getlist("accept")) if "accept" in headers else "*/*"


def negotiate_graphql(headers: Headers) -> Negotiation:
    """What the Accept header asks for, by its weights, as RFC 9110 has them.

    Of equal weights application/json wins, unless GraphQL's own media type is named.
    """
    accept = ",".join(headers.getlist("accept"))
    return _negotiate_graphql(accept if len(accept) <= MAX_HEADER_LENGTH else _truncate(accept))


@lru_cache(MAX_CACHED)
def _negotiate_graphql(accept: str) -> Negotiation:
    ranges = [(_name(one), _weight(one)) for one in _ranges(accept) if _is_utf8(one)]
    if not accept.strip(", \t"):
        ranges = [("*/*", 1.0)]
    own, json, html = (_quality(ranges, media_type) for media_type in (GRAPHQL, JSON, HTML))
    best = max(own.weight, json.weight)
    is_own = own.weight > json.weight or (own.is_named and own.weight == json.weight)
    return Negotiation(
        (GRAPHQL if is_own else JSON) if best else None,
        is_page=html.is_named and 0 < html.weight >= best,
    )


def _quality(ranges: Sequence[tuple[str, float]], media_type: str) -> Quality:
    """The weight by the range that is closest to a media type; of several such the highest."""
    of_its_kind = f"{media_type.partition('/')[0]}/*"
    for names in ((media_type,), (of_its_kind,), ("*/*", "*")):
        found = [weight for name, weight in ranges if name in names]
        if found:
            return Quality(max(found), is_named=media_type in names)
    return Quality()


def _weight(media_range: str) -> float:
    """The range's weight; what is no weight is as if it were not there."""
    text = dict(parse_parameters(media_range)).get("q", "")
    return float(text) if WEIGHT.fullmatch(text) else 1


def _is_utf8(media_range: str) -> bool:
    return dict(parse_parameters(media_range)).get("charset", "utf-8") in UTF8_NAMES


def parse_parameters(header: str) -> Iterator[tuple[str, str]]:
    """The parameters of a media type or a range, in lower case and without quotes."""
    for parameter in header.split(";")[1:]:
        name, _, value = parameter.partition("=")
        yield name.strip().lower(), value.strip().strip('"').lower()


def _ranges(accept: str) -> list[str]:
    return list(_tokens(accept))[:MAX_TYPES]


def _tokens(accept: str) -> Iterator[str]:
    if len(accept) > MAX_HEADER_LENGTH:
        accept = _truncate(accept)
    for token in map(str.strip, accept.split(",")):
        if token and len(token) <= MAX_TYPE_LENGTH:
            yield token


def _truncate(accept: str) -> str:
    return accept[: accept.rfind(",", 0, MAX_HEADER_LENGTH) + 1]


def _name(media_range: str) -> str:
    return media_range.partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    main, _, sub = media_type.partition("/")
    return main in ("*", "application") and sub in ("*", "json")
