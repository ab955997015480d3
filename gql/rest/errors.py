"""Errors of the REST endpoints, with Django REST framework's statuses and messages."""


class RestError(Exception):
    """An error with the status and the JSON body of its response."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class NotFoundError(RestError):
    """The path, the format, the page or the flow does not exist."""

    def __init__(self, detail: str = "Not found.") -> None:
        super().__init__(404, {"detail": detail})


class MethodNotAllowedError(RestError):
    """The method is not GET, HEAD or OPTIONS."""

    def __init__(self, method: str) -> None:
        super().__init__(405, {"detail": f'Method "{method}" not allowed.'})


class NotAcceptableError(RestError):
    """The Accept header admits none of the media types of the response."""

    def __init__(self) -> None:
        super().__init__(406, {"detail": "Could not satisfy the request Accept header."})
