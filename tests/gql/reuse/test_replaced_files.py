"""A file that replaces the database ends the reuse of what the old file contained."""

import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import copy

from support.reuse_data import KEYS
from support.reuse_databases import create_database
from support.reuse_requests import FLOWS
from support.server_process import run_server, send_request, wait_until

KEY = KEYS["superuser"]
INSTANCE = f"{FLOWS}flow-0/"
GRAPHQL = "/graphql?query={flow(slug:%22flow-0%22){title}}"
# More than two: the file system may give the inode of the first file to the third.
REPLACEMENTS = 4
SET_TITLE = "UPDATE authentik_flows_flow SET title = ?"


def replace_file(path: Path, original: Path, title: str) -> None:
    """Put a file with another title at a path. Its number of changes is always the same."""
    other = Path(copy(original, path.with_suffix(".new")))
    set_title(other, title)
    other.rename(path)


def set_title(path: Path, title: str) -> None:
    """Change the title of all flows in a file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(SET_TITLE, [title])


def fetch_title(url: str) -> str:
    """Return the title of the flow."""
    response = send_request(url, INSTANCE, KEY)
    assert response.status == 200, response
    return response.json["title"]


def test_file_is_replaced_several_times(tmp_path: Path) -> None:
    """After the server has opened the new file, no response is of an old one."""
    path, original = tmp_path / "flowql.db", tmp_path / "original.db"
    create_database("sqlite", f"sqlite:///{original}")
    replace_file(path, original, "title 0")
    with run_server(f"sqlite:///{path}") as (url, _):
        for number in range(1, REPLACEMENTS + 1):
            title = f"title {number}"
            assert [fetch_title(url) for _ in range(3)] == [f"title {number - 1}"] * 3
            replace_file(path, original, title)
            wait_until(lambda title=title: fetch_title(url) == title)
            for _ in range(20):
                data = send_request(url, GRAPHQL, KEY).json["data"]
                assert (fetch_title(url), data) == (title, {"flow": {"title": title}})
            set_title(path, f"{title}, changed")
            assert fetch_title(url) == f"{title}, changed"
            set_title(path, title)


def test_tag_of_an_old_file(tmp_path: Path) -> None:
    """It is the tag of the new file's response only if the bytes are equal."""
    path, original = tmp_path / "flowql.db", tmp_path / "original.db"
    create_database("sqlite", f"sqlite:///{original}")
    replace_file(path, original, "old")
    with run_server(f"sqlite:///{path}") as (url, _):
        old = send_request(url, INSTANCE, KEY)
        replace_file(path, original, "new")
        wait_until(lambda: fetch_title(url) == "new")
        new = send_request(url, INSTANCE, KEY)
        assert new.headers["etag"] != old.headers["etag"]
        replace_file(path, original, "old")
        wait_until(lambda: fetch_title(url) == "old")
        assert send_request(url, INSTANCE, KEY).headers["etag"] == old.headers["etag"]
