"""Content negotiation: the media type of a response, by the Accept header of its request."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from starlette.datastructures import Headers

# The bounds of Django REST framework, which ignores the rest of a header.
MAX_HEADER_LENGTH = 8192
MAX_RANGES = 64
MAX_RANGE_LENGTH = 256

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"
SVG = "image/svg+xml"
# The graph of a diagram; JSON Graph Format (application/vnd.jgf+json) has another shape.
FLOW_GRAPH = "application/vnd.goauthentik.flow-graph+json"
UTF8_NAMES = ("utf-8", "utf8")
WEIGHT = re.compile(r"0?\.\d+|[01]\.?0*", re.ASCII)
# In Accept headers.
CACHE_CAPACITY = 128


class Quality(NamedTuple):
    """The weight of a media type, from 0 to 1; `is_named` if no wildcard matched it."""

    weight: float = 0
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class Negotiation:
    """The result of negotiation for the GraphQL endpoint.

    `media_type` is None if no media type is acceptable. `is_page` is set if the client prefers HTML,
    as browsers do.
    """

    media_type: str | None
    is_page: bool = False


def accepts_json(headers: Headers) -> bool:
    """Return whether the Accept header admits application/json.

    As in Django REST framework, weights do not count.
    """
    ranges = _split_ranges(_read_accept(headers))
    return any(_matches_json(_parse_media_type(media_range)) for media_range in ranges)


def best_match(headers: Headers, offered: Sequence[str]) -> str | None:
    """Return the media type with the highest weight, None if the Accept header admits none.

    Of equal weights, a type that the header names wins over one that only a wildcard matches, then
    the first one.
    """
    ranges = [
        (_parse_media_type(media_range), _parse_weight(media_range))
        for media_range in _split_ranges(_read_accept(headers))
    ]
    best = max(offered, key=lambda media_type: _find_quality(ranges, media_type))
    return best if _find_quality(ranges, best).weight else None


def negotiate_graphql(headers: Headers) -> Negotiation:
    """Negotiate the response of the GraphQL endpoint by weights, as RFC 9110 defines.

    Of equal weights application/json wins, unless the header names GraphQL's own media type.
    """
    accept = ",".join(headers.getlist("accept"))
    return _negotiate_graphql(accept if len(accept) <= MAX_HEADER_LENGTH else _truncate(accept))


def parse_parameters(header: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a media type or range, in lower case and unquoted."""
    for parameter in header.split(";")[1:]:
        name, _, value = parameter.partition("=")
        yield name.strip().lower(), value.strip().strip('"').lower()


@lru_cache(CACHE_CAPACITY)
def _negotiate_graphql(accept: str) -> Negotiation:
    ranges = [
        (_parse_media_type(media_range), _parse_weight(media_range))
        for media_range in _split_ranges(accept)
        if _is_utf8(media_range)
    ]
    if not accept.strip(", \t"):
        ranges = [("*/*", 1.0)]
    graphql, json, html = (_find_quality(ranges, offered) for offered in (GRAPHQL, JSON, HTML))
    best = max(graphql.weight, json.weight)
    is_graphql = graphql.weight > json.weight or (
        graphql.is_named and graphql.weight == json.weight
    )
    return Negotiation(
        (GRAPHQL if is_graphql else JSON) if best else None,
        is_page=html.is_named and 0 < html.weight >= best,
    )


def _find_quality(ranges: Sequence[tuple[str, float]], media_type: str) -> Quality:
    """Return the quality by the most specific range; of several such, the highest weight."""
    wildcard = f"{media_type.partition('/')[0]}/*"
    for names in ((media_type,), (wildcard,), ("*/*", "*")):
        weights = [weight for name, weight in ranges if name in names]
        if weights:
            return Quality(max(weights), is_named=media_type in names)
    return Quality()


def _read_accept(headers: Headers) -> str:
    return ",".join(headers.getlist("accept")) if "accept" in headers else "*/*"


def _split_ranges(accept: str) -> list[str]:
    return list(_iterate_ranges(accept))[:MAX_RANGES]


def _iterate_ranges(accept: str) -> Iterator[str]:
    if len(accept) > MAX_HEADER_LENGTH:
        accept = _truncate(accept)
    for media_range in map(str.strip, accept.split(",")):
        if media_range and len(media_range) <= MAX_RANGE_LENGTH:
            yield media_range


def _truncate(accept: str) -> str:
    """Cut a header after the last comma within the bounds."""
    return accept[: accept.rfind(",", 0, MAX_HEADER_LENGTH) + 1]


def _parse_media_type(media_range: str) -> str:
    return media_range.partition(";")[0].strip().lower()


def _parse_weight(media_range: str) -> float:
    """Return the weight; an invalid one is ignored."""
    text = dict(parse_parameters(media_range)).get("q", "")
    return float(text) if WEIGHT.fullmatch(text) else 1


def _is_utf8(media_range: str) -> bool:
    return dict(parse_parameters(media_range)).get("charset", "utf-8") in UTF8_NAMES


def _matches_json(media_type: str) -> bool:
    main, _, sub = media_type.partition("/")
    return main in ("*", "application") and sub in ("*", "json")
