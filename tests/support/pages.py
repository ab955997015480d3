"""Pages as HTML, and visits to them without a browser."""

from html.parser import HTMLParser

from support.app_client import AppClient, Response, bearer_headers

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Page(HTMLParser):
    """A parsed page: the names and attributes of all elements, and the text."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(response.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, *attributes: str) -> list[str]:
        """Return the values of these attributes of all elements."""
        values = (element.get(name) for _, element in self.elements for name in attributes)
        return [value for value in values if value]


def visit(client: AppClient, target: str = "/", key: str | None = None, **headers: str) -> Response:
    """Send a GET request with a browser's Accept header."""
    return client.request("GET", target, {"accept": BROWSER, **bearer_headers(key), **headers})
