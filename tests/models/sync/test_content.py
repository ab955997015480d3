"""Objects that no authentik returns are errors which name the list and the object."""

from typing import Any

import pytest

from models.sync.endpoints import FLOWS, GROUPS, POLICY_BINDINGS, STAGE_BINDINGS, find_model
from support.authentik_server import PlayedAuthentik
from support.synced_objects import (
    DUMMY,
    FLOW,
    GROUP,
    bind,
    bind_stage,
    build_flow,
    build_policy,
    build_stage,
    key,
)
from support.syncs import find_settings, read, read_failing


def nest(levels: int) -> Any:
    """Return lists and mappings within each other."""
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def expect_duplicate(path: str, name: str, value: str) -> str:
    """Return the error of a key that occurs twice."""
    return (
        f"{path} returned an object whose field {name} is {value}, as that of another object:"
        " nothing was changed"
    )


@pytest.mark.parametrize("levels", [101, 102, 900])
def test_setting_that_is_nested_too_deeply_is_an_error(
    authentik: PlayedAuthentik, levels: int
) -> None:
    """Whatever Python can call."""
    authentik.objects.append(build_stage("deep", DUMMY, extra=nest(levels)))
    assert read_failing(authentik) == (
        f"stages/dummy/ returned the object {key('stage deep')}, whose field extra is nested too"
        " deeply: more than 100 levels. Nothing was changed"
    )


def test_setting_can_be_nested(authentik: PlayedAuthentik) -> None:
    """As deep as in a blueprint."""
    authentik.objects.append(build_stage("deep", DUMMY, extra=nest(100)))
    assert find_settings(read(authentik), "stage", "deep")["extra"] == nest(100)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *((FLOWS, "policybindingmodel_ptr_id"), (STAGE_BINDINGS, "policybindingmodel_ptr_id")),
        *((POLICY_BINDINGS, "group"), (GROUPS, "pk")),
    ],
)
def test_key_that_is_nested_is_an_error(authentik: PlayedAuthentik, path: str, name: str) -> None:
    """A list is never a key."""
    authentik.omits_bound = True

    def mutate(requested: str, body: Any) -> None:
        if requested == path:
            body["results"][0][name] = nest(900)

    authentik.mutate = mutate
    assert read_failing(authentik)


def test_type_that_is_nested_is_unknown() -> None:
    """As deep as Python cannot describe a value."""
    assert find_model({"meta_model_name": nest(1100), "component": nest(1100)}) is None


def test_parent_of_two_flows_is_an_error(authentik: PlayedAuthentik) -> None:
    """Policy bindings would be those of both."""
    parent = key("parent of flow login")
    authentik.objects.append(build_flow("other", policybindingmodel_ptr_id=parent.upper()))
    expected = expect_duplicate(FLOWS, "policybindingmodel_ptr_id", parent)
    assert read_failing(authentik) == expected


def test_parent_of_a_flow_and_a_binding_is_an_error(authentik: PlayedAuthentik) -> None:
    """They are rows of one table."""
    parent = key("parent of flow login")
    binding = bind_stage("login", "new", 99, policybindingmodel_ptr_id=parent)
    authentik.objects += [build_stage("new"), binding]
    expected = expect_duplicate(STAGE_BINDINGS, "policybindingmodel_ptr_id", parent)
    assert read_failing(authentik) == expected


def test_key_in_two_forms_is_an_error(authentik: PlayedAuthentik) -> None:
    """With dashes and without, it is the same UUID."""
    pk = authentik.find(FLOW, slug="login")["pk"]
    authentik.objects.append(build_flow("other", pk=pk.replace("-", "")))
    assert read_failing(authentik) == expect_duplicate(FLOWS, "pk", pk)


def test_bound_group_in_two_forms_is_an_error(authentik: PlayedAuthentik) -> None:
    """Bindings contain it."""
    [group, *_] = [item for item in authentik.objects if item["$model"] == GROUP]
    other = {**group, "pk": group["pk"].replace("-", "")}
    authentik.objects += [other, bind("flow login", 98, group=group["pk"])]
    authentik.objects.append(bind("flow login", 99, group=other["pk"]))
    assert read_failing(authentik) == expect_duplicate(GROUPS, "pk", group["pk"])


def test_stage_of_two_types_is_an_error(authentik: PlayedAuthentik) -> None:
    """Its settings are those of one."""
    authentik.objects += [build_stage("one", DUMMY), build_policy("one")]

    def mutate(path: str, body: Any) -> None:
        if path == "stages/captcha/":
            body["results"].append({**body["results"][0], "pk": key("stage one")})
            body["pagination"]["count"] += 1

    authentik.mutate = mutate
    assert read_failing(authentik) == expect_duplicate("stages/dummy/", "pk", key("stage one"))
