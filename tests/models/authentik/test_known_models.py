"""authentik's models and attributes, compared with its clients, and the warnings on other names."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.authentik.attributes import ATTRIBUTES, Attribute, AttributeType
from models.authentik.known_models import (
    check_model,
    check_names,
    find_attributes,
    find_suggestion,
    is_read_only,
    list_models,
)
from models.authentik.secrets import is_secret
from models.blueprint.authentik.kinds import KINDS, find_kind
from support.client_environments import install_npm_client, install_python_client

EMAIL_STAGE = "authentik_stages_email.emailstage"
MODELS = {model.partition(".")[2]: model for model in list_models()}


@pytest.fixture(scope="module", params=["authentik-2024.2", "authentik-2026.8"])
def client(request: pytest.FixtureRequest) -> Path:
    """The folder of the classes of authentik's Python client, in its oldest and newest version."""
    python = install_python_client(request.param)
    return next(python.parent.parent.glob("lib/*/site-packages/authentik_client/models"))


def read_class(path: Path) -> list[str]:
    """Return the names of a class's properties, or the values of an enum."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    for node in nodes:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "__properties":
            return ast.literal_eval(node.value or "")
    values = [node.value for node in nodes if isinstance(node, ast.Assign)]
    return [str(value.value) for value in values if isinstance(value, ast.Constant)]


def find_requests(client: Path) -> Iterator[tuple[str, Path]]:
    """Yield the models and files of the classes that a client sends."""
    for path in client.glob("*_request.py"):
        model = MODELS.get(path.stem.removesuffix("_request").replace("_", ""))
        if model:
            yield model, path


def test_the_models_of_clients_are_known(client: Path) -> None:
    """The API has an enum of them."""
    assert set(read_class(client / "model_enum.py")) <= set(list_models())


def test_the_attributes_of_clients_are_known(client: Path) -> None:
    """They are those of the requests and of the responses."""
    requests = [(model, path) for model, path in find_requests(client) if model in ATTRIBUTES]
    responses = [
        (model, path.with_name(path.name.replace("_request", ""))) for model, path in requests
    ]
    unknown = {
        (model, name)
        for model, path in requests + responses
        for name, _ in check_names(model, read_class(path))
    }

    assert len(requests) > 25
    assert unknown == set()


def test_write_only_attributes_of_clients_are_secret(client: Path) -> None:
    """A request contains them and a response does not."""
    write_only = {
        (model, name)
        for model, path in find_requests(client)
        if (response := path.with_name(path.name.replace("_request", ""))).exists()
        for name in set(read_class(path)) - set(read_class(response))
    }

    assert len(write_only) > 5
    assert [item for item in sorted(write_only) if not is_secret(*item)] == []


@pytest.mark.npm
def test_attributes_equal_those_of_authentik_s_document() -> None:
    """Types and limits are those of the newest version, with more of older versions."""
    package = install_npm_client("goauthentik-api") / "node_modules" / "@goauthentik" / "api"
    schemas = yaml.load((package / "schema.yml").read_text(), yaml.CSafeLoader)["components"][
        "schemas"
    ]
    requests = {
        MODELS[name.removesuffix("Request").lower()]: schema
        for name, schema in schemas.items()
        if name.endswith("Request") and name.removesuffix("Request").lower() in MODELS
    }
    differences = [
        (model, name, attribute, schema)
        for model, request in requests.items()
        if model in ATTRIBUTES
        for name, schema in request["properties"].items()
        if (attribute := ATTRIBUTES[model].get(name)) is None
        or not is_same_type(attribute, resolve(schema, schemas))
    ]
    write_only = {
        (model, name)
        for model, request in requests.items()
        for name, schema in request["properties"].items()
        if schema.get("writeOnly")
    }

    assert differences == []
    assert [item for item in sorted(write_only) if not is_secret(*item)] == []


def resolve(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with the contents of those it refers to."""
    for part in [schema, *schema.get("allOf", ())]:
        if "$ref" in part:
            schema = {**schemas[part["$ref"].rpartition("/")[2]], **schema}
    items = schema.get("items")
    return {**schema, "items": resolve(items, schemas)} if items else schema


def is_same_type(attribute: Attribute, schema: Mapping[str, Any]) -> bool:
    """Return whether an attribute accepts what the schema of a property describes."""
    is_nullable = attribute.is_nullable or not schema.get("nullable", False)
    return is_nullable and describe(attribute) in list(describe_schema(schema))


def describe(attribute: Attribute) -> Any:
    """Return the type and the limits of an attribute."""
    match attribute.type:
        case AttributeType.CHOICE:
            return {str(choice) for choice in attribute.choices}
        case AttributeType.INTEGER:
            return (attribute.minimum, attribute.maximum)
        case AttributeType.STRING:
            return (attribute.can_be_empty, attribute.max_length)
        case AttributeType.LIST:
            return [describe(attribute.items)] if attribute.items else []
        case _:
            return attribute.type


def describe_schema(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the descriptions of the attributes for a schema, from the most exact one."""
    match schema:
        case {"enum": choices}:
            yield set(choices)
            # Events, countries and applications are not listed.
            if len(choices) > 30:
                yield from [(False, None), (True, None)]
        case {"format": "uuid"}:
            yield AttributeType.REFERENCE
        case {"type": "integer"}:
            yield (schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1))
            # Older versions have no maximum; a user is referred to by a number.
            yield (schema.get("minimum"), 2**31 - 1)
            yield AttributeType.REFERENCE
        case {"type": "string"}:
            yield ("minLength" not in schema, schema.get("maxLength"))
            # Older versions accept empty strings.
            yield (True, schema.get("maxLength"))
        case {"type": "array"}:
            yield from ([item] for item in describe_schema(schema["items"]))
        case {"type": "object"}:
            yield AttributeType.MAPPING
        case _:
            yield AttributeType(schema["type"])


def test_the_models_of_all_kinds_are_known() -> None:
    """Their attributes are as well, except those of the common tables of stages and policies."""
    assert {kind.model for kind in KINDS.values()} <= set(list_models())
    assert {kind.name for kind in KINDS.values() if not find_attributes(kind.model)} == {
        "stage",
        "policy",
    }


def test_the_attributes_of_all_types_are_known() -> None:
    """Each model of a stage or a policy has attributes."""
    types = [model for model in list_models() if find_kind(model) and model not in ATTRIBUTES]

    assert types == ["authentik_flows.stage", "authentik_policies.policy"]


def test_the_fields_of_kinds_are_attributes() -> None:
    """Both name them as the API does."""
    for kind in KINDS.values():
        attributes = find_attributes(kind.model)
        if attributes:
            assert set(kind.fields) <= set(attributes)


@pytest.mark.parametrize(
    ("model", "suggestion"),
    [
        ("authentik_stages_emial.emailstage", EMAIL_STAGE),
        ("authentik_stages_email.emailstages", EMAIL_STAGE),
        ("authentik_flow.flow", "authentik_flows.flow"),
        ("authentik_flows.flows", "authentik_flows.flow"),
        ("authentik_outposts.outposts", "authentik_outposts.outpost"),
    ],
)
def test_an_unknown_model_of_authentik_has_a_suggestion(model: str, suggestion: str) -> None:
    """It is the nearest name."""
    assert check_model(model) == f"is not a model of authentik. Did you mean '{suggestion}'?"


def test_an_unknown_model_without_a_similar_name_has_no_suggestion() -> None:
    """A new version of authentik can have it."""
    assert check_model("authentik_xyz") == "is not a model of authentik."
    assert check_model("authentik_" + "x" * 1_000_000) == "is not a model of authentik."


def test_other_models_have_no_warning() -> None:
    """They are known, or not authentik's own."""
    models = [*list_models(), "other.model", "auth.permission", ""]

    assert [model for model in models if check_model(model)] == []


def test_an_unknown_attribute_has_a_suggestion() -> None:
    """It is the nearest name of the model, if there is one."""
    names = ["host", "prot", "use_tsl", "colour", "x" * 1_000_000]
    warnings = dict(check_names(EMAIL_STAGE, names))

    start = f"is not an attribute of {EMAIL_STAGE}."
    assert warnings == {
        "prot": f"{start} Did you mean 'port'?",
        "use_tsl": f"{start} Did you mean 'use_tls'?",
        "colour": start,
        "x" * 1_000_000: start,
    }


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (EMAIL_STAGE, ["name", "pk", "name__iexact", "component", "flow_set"]),
        ("authentik_core.user", ["username", "pk", "password", "attributes__key__contains"]),
        ("authentik_brands.brand", ["anything"]),
        ("authentik_stages_new.newstage", ["anything"]),
    ],
)
def test_known_names_have_no_warning(model: str, names: list[str]) -> None:
    """So have lookups, what the API only returns, and attributes of other models."""
    assert list(check_names(model, names)) == []


def test_authentik_s_own_properties_are_read_only() -> None:
    """A blueprint made from a response of the API contains them."""
    names = ["pk", "component", "flow_set", "host", "unknown"]

    assert [name for name in names if is_read_only(EMAIL_STAGE, name)] == names[:3]


def test_a_suggestion_is_a_similar_name() -> None:
    """Case and length count."""
    assert find_suggestion("desgination", ["designation", "denied_action"]) == "designation"
    assert find_suggestion("x", ["designation"]) is None
