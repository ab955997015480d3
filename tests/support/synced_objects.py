"""The objects of a played authentik: flows with all that they consist of, in the shapes of its API."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from models.authentik.attributes import ATTRIBUTES, Attribute, AttributeType
from models.blueprint.authentik.kinds import find_kind

FLOW, STAGE_BINDING = "authentik_flows.flow", "authentik_flows.flowstagebinding"
POLICY_BINDING, PROMPT = "authentik_policies.policybinding", "authentik_stages_prompt.prompt"
GROUP, USER = "authentik_core.group", "authentik_core.user"
DUMMY, IDENTIFICATION = (
    "authentik_stages_dummy.dummystage",
    "authentik_stages_identification.identificationstage",
)
CAPTCHA = "authentik_stages_captcha.captchastage"
PROMPT_STAGE = "authentik_stages_prompt.promptstage"
USER_WRITE = "authentik_stages_user_write.userwritestage"
EXPRESSION = "authentik_policies_expression.expressionpolicy"
SOURCE = "authentik_core.source"
SECRET_VALUE = "not-to-be-stored-5f1d"
# authentik's API only accepts these, and some versions return them.
SECRETS = {"private_key", "client_secret", "admin_secret_key", "auth", "auth_password", "password"}
Item = dict[str, Any]


def key(name: str) -> str:
    """Return the primary key of an object by its name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def build_flow(slug: str, /, **fields: Any) -> Item:
    """Return a flow."""
    return {
        "$model": FLOW,
        "pk": key(f"flow {slug}"),
        "policybindingmodel_ptr_id": key(f"parent of flow {slug}"),
        "name": f"Flow {slug}",
        "slug": slug,
        "title": f"Title {slug}",
        **fields,
    }


def build_stage(name: str, model: str = DUMMY, /, **fields: Any) -> Item:
    """Return a stage."""
    return {"$model": model, "pk": key(f"stage {name}"), "name": name, **fields}


def build_policy(name: str, model: str = EXPRESSION, /, **fields: Any) -> Item:
    """Return a policy."""
    settings = {"expression": "return True"} if model == EXPRESSION else {}
    return {"$model": model, "pk": key(f"policy {name}"), "name": name, **settings, **fields}


def bind_stage(slug: str, stage: str, order: int = 0, **fields: Any) -> Item:
    """Return a stage binding."""
    name = f"{slug} {stage} {order}"
    return {
        "$model": STAGE_BINDING,
        "pk": key(f"binding {name}"),
        "policybindingmodel_ptr_id": key(f"parent of binding {name}"),
        "target": key(f"flow {slug}"),
        "stage": key(f"stage {stage}"),
        "order": order,
        **fields,
    }


def bind(target: str, order: int = 0, /, **bound: Any) -> Item:
    """Return a policy binding. `target` is the name of a parent, such as `flow login`."""
    name = f"{target} {order} {sorted(bound.items())}"
    return {
        "$model": POLICY_BINDING,
        "pk": key(f"policy binding {name}"),
        "target": key(f"parent of {target}"),
        "order": order,
        **bound,
    }


def build_prompt(name: str, /, **fields: Any) -> Item:
    """Return a prompt."""
    return {
        "$model": PROMPT,
        "pk": key(f"prompt {name}"),
        "name": name,
        "field_key": name,
        "label": f"Label {name}",
        "type": "text",
        "required": True,
        "placeholder": "",
        "initial_value": "",
        "order": 0,
        "sub_text": "",
        "placeholder_expression": False,
        "initial_value_expression": False,
        **fields,
    }


def build_objects() -> list[Item]:
    """Return flows with stages, prompts, policies and bindings of all kinds."""
    return [
        build_flow("login", background="login.jpg", compatibility_mode=True),
        build_flow("recovery", designation="recovery", policy_engine_mode="all"),
        build_flow("enrollment", designation="enrollment", background="https://cdn.example/x.jpg"),
        build_flow("invalidation", designation="invalidation"),
        {"$model": SOURCE, "pk": key("source"), "slug": "github", "name": "GitHub"},
        {"$model": GROUP, "pk": key("group staff"), "name": "staff"},
        {"$model": GROUP, "pk": key("group new"), "name": "new users"},
        {"$model": GROUP, "pk": key("group other"), "name": "not referred to"},
        {"$model": USER, "pk": 7, "username": "ada", "name": "Ada Lovelace"},
        {"$model": USER, "pk": 8, "username": "nobody", "name": "Not referred to"},
        build_stage(
            "identify",
            IDENTIFICATION,
            user_fields=["email", "username"],
            recovery_flow=key("flow recovery"),
            password_stage=None,
            sources=[key("source")],
            case_insensitive_matching=True,
        ),
        build_stage("captcha", CAPTCHA, public_key="public", private_key=SECRET_VALUE),
        build_stage("ask", PROMPT_STAGE, fields=[key("prompt email")], validation_policies=[]),
        build_stage(
            "write",
            USER_WRITE,
            user_creation_mode="always_create",
            create_users_group=key("group new"),
        ),
        build_stage("unbound", throw_error=False),
        build_prompt("email", type="email", order=3),
        build_policy("allow", execution_logging=True),
        build_policy("unbound policy"),
        bind_stage("login", "identify", 0),
        bind_stage("login", "captcha", 10, evaluate_on_plan=True),
        bind_stage("enrollment", "ask", 0, invalid_response_action="restart"),
        bind_stage("enrollment", "write", 10),
        bind("flow login", 0, policy=key("policy allow")),
        bind("flow login", 1, group=key("group staff"), negate=True),
        bind("binding enrollment ask 0", 0, user=7, timeout=5),
        # The binding of an application.
        bind("application", 0, policy=key("policy allow")),
    ]


def build_many(count: int) -> list[Item]:
    """Return flows, each with a stage of its own and a policy binding."""
    return [
        item
        for number in range(count)
        for item in (
            build_flow(f"many-{number:05}"),
            build_stage(f"many {number}", throw_error=False),
            bind_stage(f"many-{number:05}", f"many {number}"),
            bind(f"flow many-{number:05}", policy=key("policy allow")),
        )
    ] + [build_policy("allow")]


def build_all_types() -> Iterator[Item]:
    """Yield a stage or a policy of each known type, with values of all its attributes."""
    for model, attributes in ATTRIBUTES.items():
        kind = find_kind(model)
        if kind and kind.name in ("stage", "policy"):
            build = build_stage if kind.name == "stage" else build_policy
            yield build(f"all of {model}", model, **_build_settings(attributes))


def _build_settings(attributes: Mapping[str, Attribute]) -> Item:
    others = ("name", "execution_logging")
    return {
        name: SECRET_VALUE if name in SECRETS else _build_value(attribute)
        for name, attribute in attributes.items()
        if attribute.type is not AttributeType.READ_ONLY and name not in others
    }


def _build_value(attribute: Attribute) -> Any:
    match attribute.type:
        case AttributeType.LIST:
            return [_build_value(attribute.items)] if attribute.items else []
        case AttributeType.CHOICE:
            return attribute.choices[0]
        case AttributeType.REFERENCE:
            return key(f"unknown {attribute.target}")
        case kind:
            return _VALUES[kind]


_VALUES: Mapping[AttributeType, Any] = {
    AttributeType.BOOLEAN: True,
    AttributeType.INTEGER: 3,
    AttributeType.NUMBER: 0.5,
    AttributeType.STRING: "text",
    AttributeType.MAPPING: {"key": "value"},
}
