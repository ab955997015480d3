"""Whether a request takes JSON, as Django REST framework decides it."""

from collections.abc import Iterator

from starlette.datastructures import Headers

# Django REST framework's bounds: what lies beyond is as if it were not there.
MAX_HEADER_LENGTH = 8192
MAX_TYPES = 64
MAX_TYPE_LENGTH = 256


def admits_json(headers: Headers) -> bool:
    """Whether the Accept header admits application/json; weights do not count."""
    accept = ",".join(headers.getlist("accept")) if "accept" in headers else "*/*"
    return any(_is_json(media_type) for media_type in list(_media_types(accept))[:MAX_TYPES])


def _media_types(accept: str) -> Iterator[str]:
    if len(accept) > MAX_HEADER_LENGTH:
        accept = accept[: accept.rfind(",", 0, MAX_HEADER_LENGTH) + 1]
    for token in map(str.strip, accept.split(",")):
        if token and len(token) <= MAX_TYPE_LENGTH:
            yield token.partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    main, _, sub = media_type.partition("/")
    return main in ("*", "application") and sub in ("*", "json")
