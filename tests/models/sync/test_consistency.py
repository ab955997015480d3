"""Lists that change while they are read are read again."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from support.authentik_server import PlayedAuthentik, serve_authentik
from support.synced_objects import (
    DUMMY,
    FLOW,
    STAGE_BINDING,
    bind,
    bind_stage,
    build_flow,
    build_many,
    build_stage,
    key,
)
from support.syncs import LIMITS, find_record, read, read_failing

FLOWS = "flows/instances/"
FEW = 5


@pytest.fixture
def paged() -> Iterator[PlayedAuthentik]:
    """An authentik with several small pages of each list."""
    with serve_authentik(build_many(12)) as played:
        played.max_page_size = FEW
        yield played


def change_once(
    authentik: PlayedAuthentik, path: str, page: int, change: Callable[[], object]
) -> None:
    """Change objects before the first response with a page of a list."""
    done: list[bool] = []

    def before(requested: str, number: int) -> None:
        if (requested, number) == (path, page) and not done:
            done.append(True)
            change()

    authentik.before = before


def test_small_pages_are_followed(paged: PlayedAuthentik) -> None:
    """A server can have smaller pages than those requested."""
    assert len(read(paged).records["flow"]) == 12


def test_added_flow_is_noticed(paged: PlayedAuthentik) -> None:
    """The counts of the pages differ."""
    change_once(paged, FLOWS, 2, lambda: paged.objects.append(build_flow("added")))
    assert len(read(paged).records["flow"]) == 13


def test_removed_flow_is_noticed(paged: PlayedAuthentik) -> None:
    """The last page can be missing, and other rows move up."""

    def remove() -> None:
        gone = [key("flow many-00003"), key("binding many-00003 many 3 0")]
        paged.objects[:] = [
            item
            for item in paged.objects
            if item["pk"] not in gone and item.get("target") != key("parent of flow many-00003")
        ]

    change_once(paged, FLOWS, 2, remove)
    assert len(read(paged).records["flow"]) == 11


def test_missing_page_is_noticed(paged: PlayedAuthentik) -> None:
    """authentik returns 404 for a page after the last one."""  # noqa: D403 - a name
    change_once(paged, "stages/all/", 2, lambda: remove_stages(paged))
    assert len(read(paged).records["stage"]) == 2


def remove_stages(authentik: PlayedAuthentik) -> None:
    """Remove all stages but two, with their bindings."""
    kept = {key("stage many 0"), key("stage many 1")}
    authentik.objects[:] = [
        item
        for item in authentik.objects
        if item["$model"] not in (DUMMY, STAGE_BINDING) or {item["pk"], item.get("stage")} & kept
    ]


def test_number_of_objects_is_limited(paged: PlayedAuthentik) -> None:
    """A server cannot fill the memory."""
    message = read_failing(paged, replace(LIMITS, max_objects=10))
    assert message.endswith(" has more than 10 objects")


def test_object_without_settings_is_an_error(authentik: PlayedAuthentik) -> None:
    """The list of a type lacks a stage that the list of all stages has."""

    def remove(path: str, body: Any) -> None:
        if path == "stages/captcha/":
            body["results"].clear()
            body["pagination"]["count"] = 0

    authentik.mutate = remove
    message = read_failing(authentik)
    assert "the list of authentik_stages_captcha.captchastage lacks 1 objects" in message


def test_row_that_moves_is_noticed(paged: PlayedAuthentik) -> None:
    """A row is on two pages, and another one on none; their number stays equal."""
    last = max(item["pk"] for item in paged.objects if item["$model"] == FLOW)
    moved = paged.find(FLOW, pk=last)

    def move() -> None:
        moved["pk"] = "00000000-0000-4000-8000-000000000000"
        for item in paged.objects:
            if item.get("target") == last:
                item["target"] = moved["pk"]

    change_once(paged, FLOWS, 2, move)
    flows = {record.pk for record in read(paged).records["flow"]}
    assert len(flows) == 12
    assert moved["pk"] in flows


def test_list_that_always_changes_is_an_error(paged: PlayedAuthentik) -> None:
    """The number of reads is limited."""
    numbers = iter(range(10_000))

    def add(path: str, page: int) -> None:
        if (path, page) == (FLOWS, 2):
            paged.objects.append(build_flow(f"added-{next(numbers)}"))

    paged.before = add
    expected = f"{FLOWS} changed while it was read: the pages have different counts (5 reads)"
    assert read_failing(paged).startswith(expected)


def test_invalid_page_is_read_again(paged: PlayedAuthentik) -> None:
    """JSON that is no page can come from a proxy."""
    paged.fail("shape", FLOWS, times=2)
    assert len(read(paged).records["flow"]) == 12


def test_object_without_a_key_is_an_error(paged: PlayedAuthentik) -> None:
    """Its list is not used."""
    paged.add(FLOW, **{**build_flow("keyless"), "pk": None})
    assert "returned an object without the field pk" in read_failing(paged)


@pytest.mark.parametrize(
    "path", ["flows/bindings/", "stages/all/", "stages/dummy/", "policies/bindings/"]
)
def test_added_objects_are_complete(authentik: PlayedAuthentik, path: str) -> None:
    """A flow that is added between two lists is read with all that it consists of, or not at all."""

    def add() -> None:
        authentik.objects += [
            build_flow("added"),
            build_stage("added", throw_error=True),
            bind_stage("added", "added"),
            bind("flow added", policy=key("policy allow")),
        ]

    change_once(authentik, path, 1, add)
    content = read(authentik)
    counts = {name: len(records) for name, records in content.records.items()}
    added = counts["flow"] - 4
    assert added in (0, 1)
    assert counts["stage binding"] - 4 == counts["policy binding"] - 3 == added
    assert not added or find_record(content, "stage", "added").settings == {"throw_error": True}


@pytest.mark.parametrize("path", ["flows/bindings/", "stages/all/", "policies/bindings/"])
def test_removed_objects_leave_nothing(authentik: PlayedAuthentik, path: str) -> None:
    """A flow that is removed between two lists is not read without its bindings."""

    def remove() -> None:
        pks = [item["pk"] for item in authentik.objects if item.get("target") == key("flow login")]
        gone = {key("flow login"), *pks}
        authentik.objects[:] = [
            item
            for item in authentik.objects
            if item["pk"] not in gone and item.get("target") != key("parent of flow login")
        ]

    change_once(authentik, path, 1, remove)
    content = read(authentik)
    names = {record.values[1] for record in content.records["flow"]}
    bound = {record.values[0] for record in content.records["stage binding"]}
    assert ("login" in names) == (key("flow login") in bound)


def test_unknown_references_are_an_error(authentik: PlayedAuthentik) -> None:
    """The token may not view a single stage."""
    authentik.hidden = {key("stage captcha")}
    message = read_failing(authentik)
    binding = authentik.find(STAGE_BINDING, stage=key("stage captcha"))["pk"]
    assert message.startswith("authentik's lists do not agree after 3 rounds: ")
    reference = f"the stage binding {binding} refers to the unknown stage {key('stage captcha')}"
    assert reference in message
    assert message.endswith("or the token may only view single objects")


@pytest.mark.parametrize("name", ["flow login", "policy allow"])
def test_bindings_of_hidden_objects_are_an_error(authentik: PlayedAuthentik, name: str) -> None:
    """Half of a flow would be wrong."""
    authentik.hidden = {key(name)}
    assert f"refers to the unknown {name.split(maxsplit=1)[0]} {key(name)}" in read_failing(
        authentik
    )


def test_duplicate_slugs_are_an_error(authentik: PlayedAuthentik) -> None:
    """There are none in authentik, so the list has changed."""
    authentik.find(FLOW, slug="recovery")["slug"] = "login"
    assert "2 objects of the kind flow have the same slug" in read_failing(authentik)


def test_flows_that_name_other_stages_are_accepted_if_they_last(
    authentik: PlayedAuthentik,
) -> None:
    """A second round decides, since a token may also view some bindings only."""
    binding = authentik.find(STAGE_BINDING, stage=key("stage captcha"))
    authentik.invisible_bindings = {binding["pk"]}
    assert len(read(authentik).records["stage binding"]) == 3
    assert sum("flows/instances/" in request for request in authentik.requests) == 2
