"""Stages and policies, and the flows that use them."""

from typing import Any

import pytest

from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.expected_graph import (
    BAD_INPUT,
    COMPONENT_NAMES,
    COMPONENTS,
    RESTRICTED,
    SUPERUSER,
    TYPES,
    execute,
    expected_policy,
    expected_policy_bindings,
    expected_stage,
    slugs_using,
    stage_binding_rows,
    used_keys,
    visible_flows,
)


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_data_has_known_and_unknown_types(name: str) -> None:
    """The data contains components with and without a known type, so the tests cover both."""
    assert {pk in TYPES for pk in COMPONENTS[name][0]} == {True, False}


def test_every_stage_and_policy(typed_client: AppClient) -> None:
    """Each component that a flow uses has its name and, if it is known, its type."""
    for pk in used_keys("stage"):
        query = "query ($pk: UUID!) { stage(pk: $pk) { pk name type } }"
        assert execute(typed_client, query, pk=pk) == {"stage": expected_stage(pk)}
    for pk in used_keys("policy"):
        query = "query ($pk: UUID!) { policy(pk: $pk) { pk name type executionLogging } }"
        assert execute(typed_client, query, pk=pk.upper()) == {"policy": expected_policy(pk)}


@pytest.mark.parametrize("name", COMPONENT_NAMES)
@pytest.mark.parametrize("first", [0, 1, 2, 100])
def test_flows_of_a_component(typed_client: AppClient, name: str, first: int) -> None:
    """`flows` returns the first flows by slug, each once, regardless of the number of bindings."""
    query = f"query ($pk: UUID!, $n: Int!) {{ {name}(pk: $pk) {{ flows(first: $n) {{ slug }} }} }}"
    for pk in used_keys(name):
        expected = [{"slug": slug} for slug in slugs_using(name, pk)[:first]]
        assert execute(typed_client, query, pk=pk, n=first) == {name: {"flows": expected}}


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_first_is_20_by_default(typed_client: AppClient, name: str) -> None:
    """Without `first` there are at most 20 flows; each field has an argument of its own."""
    pk = max(COMPONENTS[name][0], key=lambda pk: len(slugs_using(name, pk)))
    query = (
        f"query ($pk: UUID!) {{ {name}(pk: $pk) "
        "{ flows { slug } one: flows(first: 1) { slug } none: flows(first: 0) { slug } } }"
    )
    expected = [{"slug": slug} for slug in slugs_using(name, pk)]
    assert len(expected) > 20
    assert execute(typed_client, query, pk=pk) == {
        name: {"flows": expected[:20], "one": expected[:1], "none": []}
    }


@pytest.mark.parametrize("first", [-1, 101, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_first_is_from_0_to_100(typed_client: AppClient, name: str, first: int) -> None:
    """Any other number, as a literal or a variable, is an error, and nothing is executed."""
    pk = next(iter(COMPONENTS[name][0]))
    selection = f'{{ {name}(pk: "{pk}") {{ flows(first: FIRST) {{ slug }} }} }}'
    with_variable = "query ($n: Int!) " + selection.replace("FIRST", "$n")
    for response in (
        typed_client.graphql(selection.replace("FIRST", str(first)), SUPERUSER),
        typed_client.graphql(with_variable, SUPERUSER, {"n": first}),
    ):
        assert (response.status, list(response.json)) == (200, ["errors"])
        [error] = response.json["errors"]
        assert error["message"] == f"'first' must be between 0 and 100, not {first}."
        assert error["extensions"] == {"code": BAD_INPUT}


@pytest.mark.parametrize("viewer", ["superuser", *RESTRICTED])
def test_flows_of_components_of_flows(typed_client: AppClient, viewer: str) -> None:
    """Components of the flows on a page list the first flows that use them and are visible."""
    visible = visible_flows(viewer)
    query = """{ flows(pageSize: 5) { results {
        stageBindings { stage { flows(first: 3) { slug } } }
        policyBindings { policy { flows(first: 2) { slug } } } } } }"""

    def flows_using(name: str, pk: object, first: int) -> dict[str, Any]:
        return {"flows": [{"slug": slug} for slug in slugs_using(name, str(pk), visible)[:first]]}

    assert execute(typed_client, query, KEYS[viewer])["flows"]["results"] == [
        {
            "stageBindings": [
                {"stage": flows_using("stage", row["stage_id"], 3)}
                for row in stage_binding_rows(flow)
            ],
            "policyBindings": [
                {"policy": binding["policy"] and flows_using("policy", binding["policy"]["pk"], 2)}
                for binding in expected_policy_bindings(flow["policybindingmodel_ptr_id"])
            ],
        }
        for flow in visible[:5]
    ]
