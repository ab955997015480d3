"""Lists that change while they are read are read again."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from models.sync.reader import read_system
from support.authentik_server import PlayedAuthentik, serve_authentik
from support.synced_objects import (
    DUMMY,
    FLOW,
    IDENTIFICATION,
    POLICY_BINDING,
    PROMPT_STAGE,
    STAGE_BINDING,
    Item,
    bind,
    bind_stage,
    build_flow,
    build_many,
    build_prompt,
    build_stage,
    key,
)
from support.syncs import LIMITS, SyncedDatabase, build_source, find_record, read, read_failing

FLOWS = "flows/instances/"
FEW = 5
# Types with the settings that refer to stored objects.
MODELS = {
    "fields": PROMPT_STAGE,
    "validation_policies": PROMPT_STAGE,
    "configuration_stages": "authentik_stages_authenticator_validate.authenticatorvalidatestage",
    "password_stage": IDENTIFICATION,
}


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


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        (
            STAGE_BINDING,
            {"stage": key("stage captcha")},
            "1 of 2 stages without a stage binding",
        ),
        (
            POLICY_BINDING,
            {"target": key("parent of flow login"), "policy": key("policy allow")},
            "1 of 1 policies without a policy binding",
        ),
    ],
)
def test_invisible_bindings_are_an_error(
    any_authentik: PlayedAuthentik, model: str, fields: Item, message: str
) -> None:
    """The token may view some bindings only, however often they are read."""
    any_authentik.invisible_bindings = {any_authentik.find(model, **fields)["pk"]}
    application, _, name = model.partition(".")
    reason = f"(the token may lack {application}.view_{name} for single objects)"
    assert f"the flow login has {message} {reason}" in read_failing(any_authentik)
    assert count_requests(any_authentik, FLOWS) == LIMITS.rounds


def test_all_bindings_can_be_invisible(authentik: PlayedAuthentik) -> None:
    """Their lists are empty, with the status 200."""
    models = (STAGE_BINDING, POLICY_BINDING)
    authentik.invisible_bindings = {
        item["pk"] for item in authentik.objects if item["$model"] in models
    }
    assert "the flow login has 2 of 2 stages without a stage binding" in read_failing(authentik)


def test_invisible_bindings_change_nothing(synced: SyncedDatabase) -> None:
    """The mirror keeps the bindings."""
    synced.sync()
    synced.authentik.invisible_bindings = {
        synced.authentik.find(STAGE_BINDING, stage=key("stage captcha"))["pk"]
    }
    assert "authentik_flows.view_flowstagebinding" in synced.fail()


def test_flows_that_lack_stages_are_accepted_if_they_last(authentik: PlayedAuthentik) -> None:
    """A second round decides, since all bindings were read."""

    def remove(path: str, body: Any) -> None:
        if path == FLOWS:
            for item in body["results"]:
                item["stages"] = []

    authentik.mutate = remove
    assert len(read(authentik).records["stage binding"]) == 4
    assert count_requests(authentik, FLOWS) == 2


def test_flows_can_lack_their_lists(authentik: PlayedAuthentik) -> None:
    """Nothing is compared with a version that does not return the stages and policies of flows."""

    def remove(path: str, body: Any) -> None:
        if path == FLOWS:
            for item in body["results"]:
                del item["stages"], item["policies"]

    authentik.mutate = remove
    assert len(read(authentik).records["stage binding"]) == 4
    assert count_requests(authentik, FLOWS) == 1


def test_groups_and_users_are_no_policies_of_a_flow(authentik: PlayedAuthentik) -> None:
    """A flow names the policies of its bindings that have one."""
    authentik.objects.append(bind("flow recovery", group=key("group staff")))
    assert len(read(authentik).records["policy binding"]) == 4
    assert count_requests(authentik, FLOWS) == 1


@pytest.mark.parametrize(
    ("name", "setting", "right"),
    [
        ("prompt email", "fields", "authentik_stages_prompt.view_prompt"),
        ("stage unbound", "configuration_stages", "authentik_flows.view_stage"),
        ("stage identify", "password_stage", "authentik_flows.view_stage"),
        ("policy unbound policy", "validation_policies", "authentik_policies.view_policy"),
    ],
)
def test_hidden_objects_of_settings_are_an_error(
    authentik: PlayedAuthentik, name: str, setting: str, right: str
) -> None:
    """The error names the setting, and the right that the token may lack."""
    value = key(name) if setting == "password_stage" else [key(name)]
    authentik.objects.append(build_stage("named", MODELS[setting], **{setting: value}))
    authentik.objects[:] = [item for item in authentik.objects if item.get("stage") != key(name)]
    authentik.hidden = {key(name)}
    kind = name.split(maxsplit=1)[0]
    source = f"{setting} of the stage {key('stage named')}"
    reason = f"(the token may lack {right} for single objects)"
    assert f"{source} refers to the unknown {kind} {key(name)} {reason}" in read_failing(authentik)
    assert count_requests(authentik, FLOWS) == LIMITS.rounds


def test_prompt_that_is_added_midway_is_read(authentik: PlayedAuthentik) -> None:
    """A stage refers to a prompt that was not in its list before."""

    def add() -> None:
        authentik.objects.append(build_prompt("added"))
        authentik.find(PROMPT_STAGE, name="ask")["fields"].append(key("prompt added"))

    change_once(authentik, "stages/prompt/stages/", 1, add)
    assert len(read(authentik).records["prompt"]) == 2


def test_settings_can_refer_to_unknown_flows(authentik: PlayedAuthentik) -> None:
    """authentik also shows references to flows that are not in the list."""  # noqa: D403 - a name
    authentik.hidden = {key("flow recovery")}
    assert len(read(authentik).records["flow"]) == 3


def count_requests(authentik: PlayedAuthentik, path: str) -> int:
    """Return how often a list was requested."""
    return sum(path in request for request in authentik.requests)


def test_flow_that_replaces_another_is_noticed(paged: PlayedAuthentik) -> None:
    """The count stays equal, and no object is on two pages, but one is on none."""
    first, *_, last = sorted(item["pk"] for item in paged.objects if item["$model"] == FLOW)
    added = {**build_flow("added"), "pk": "ffffffff-ffff-4fff-8fff-ffffffffffff"}
    parent = paged.find(FLOW, pk=first)["policybindingmodel_ptr_id"]

    def replace_flow() -> None:
        paged.objects[:] = [
            item
            for item in paged.objects
            if item["pk"] != first and item.get("target") not in (first, parent)
        ]
        paged.objects.append(added)

    expected = {item["pk"] for item in paged.objects if item["$model"] == FLOW}
    change_once(paged, FLOWS, 2, replace_flow)
    flows = {record.pk for record in read(paged).records["flow"]}
    assert last in flows
    assert flows == expected - {first} | {added["pk"]}


def test_prompt_that_replaces_another_is_noticed(paged: PlayedAuthentik) -> None:
    """Nothing else shows that one is missing."""
    prompts = [build_prompt(f"other {number}") for number in range(12)]
    paged.objects += prompts
    first = min(prompts, key=lambda prompt: str(prompt["pk"]))
    added = {**build_prompt("added"), "pk": "ffffffff-ffff-4fff-8fff-ffffffffffff"}

    def replace_prompt() -> None:
        paged.remove(first)
        paged.objects.append(added)

    change_once(paged, "stages/prompt/prompts/", 2, replace_prompt)
    names = {record.values[0] for record in read(paged).records["prompt"]}
    assert names == {prompt["name"] for prompt in (*prompts, added)} - {first["name"]}


def test_list_of_several_pages_is_read_twice(paged: PlayedAuthentik) -> None:
    """A list of one page is read once."""
    read(paged)
    assert count_requests(paged, FLOWS) == 6
    assert count_requests(paged, "stages/prompt/prompts/") == 1


@pytest.mark.parametrize(("count", "total"), [(12, 11), (12, 4), (1_000_000, 1_000_000)])
def test_number_of_pages_must_fit(paged: PlayedAuthentik, count: int, total: int) -> None:
    """No other page is requested, since a server could fill the memory with their requests."""

    def pretend(path: str, body: Any) -> None:
        if path == FLOWS:
            body["pagination"] |= {"count": count, "total_pages": total}

    paged.mutate = pretend
    expected = (
        f"{FLOWS} returned {total:,} as the number of pages, but {count:,} as that of objects,"
        " with 5 on the first page"
    )
    assert read_failing(paged).startswith(expected)
    assert count_requests(paged, FLOWS) == LIMITS.list_reads


def test_first_page_without_objects_has_no_others(paged: PlayedAuthentik) -> None:
    """The count says otherwise."""

    def pretend(path: str, body: Any) -> None:
        if path == FLOWS:
            body["results"].clear()

    paged.mutate = pretend
    assert read_failing(paged).startswith(f"{FLOWS} returned 3 as the number of pages, but 12")
    assert not any("page=2&" in request for request in paged.requests)


@pytest.mark.parametrize("total", [0, 1])
def test_list_can_be_empty(total: int) -> None:
    """It has no page, or one."""
    with serve_authentik() as authentik:
        authentik.mutate = lambda _path, body: body.get("pagination", {}).update(total_pages=total)
        assert not read(authentik).records["flow"]


@pytest.mark.parametrize("count", [10, 15])
def test_last_page_can_be_full(count: int) -> None:
    """There is none after it."""
    with serve_authentik(build_many(count)) as authentik:
        authentik.max_page_size = FEW
        assert len(read(authentik).records["flow"]) == count


def test_progress_counts_changed_lists_once(paged: PlayedAuthentik) -> None:
    """It ends with all objects read, also if a list was read again."""
    steps: list[tuple[int, int]] = []
    change_once(paged, FLOWS, 3, lambda: paged.objects.append(build_flow("added")))
    asyncio.run(
        read_system(
            build_source(paged), lambda _step, done, size: steps.append((done, size)), LIMITS
        )
    )
    done, size = steps[-1]
    assert done == size
