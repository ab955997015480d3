"""The paths of authentik's lists, and the permissions that they require."""

import re
from collections.abc import Mapping

from models.authentik.attributes import ATTRIBUTES
from models.blueprint.authentik.kinds import POLICY, STAGE, Kind

FLOWS, STAGE_BINDINGS = "flows/instances/", "flows/bindings/"
STAGES, POLICIES = "stages/all/", "policies/all/"
POLICY_BINDINGS, PROMPTS = "policies/bindings/", "stages/prompt/prompts/"
GROUPS, USERS = "core/groups/", "core/users/"
VERSION = "admin/version/"

MODELS: Mapping[str, str] = {
    FLOWS: "authentik_flows.flow",
    STAGE_BINDINGS: "authentik_flows.flowstagebinding",
    STAGES: "authentik_flows.stage",
    POLICIES: "authentik_policies.policy",
    POLICY_BINDINGS: "authentik_policies.policybinding",
    PROMPTS: "authentik_stages_prompt.prompt",
    GROUPS: "authentik_core.group",
    USERS: "authentik_core.user",
}
# The lists of objects that FlowQL does not store and settings refer to, by the models of
# NATURAL_KEYS.
OUTSIDE: Mapping[str, str] = {
    "authentik_core.propertymapping": "propertymappings/all/",
    "authentik_core.source": "sources/all/",
    "authentik_crypto.certificatekeypair": "crypto/certificatekeypairs/",
    "authentik_endpoints.connector": "endpoints/connectors/",
    "authentik_rbac.role": "rbac/roles/",
}
# References to the models on the left find objects in the tables of those on the right.
PARENT_MODELS: Mapping[str, str] = {
    "authentik_events.notificationwebhookmapping": "authentik_core.propertymapping",
}
MODEL = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
# The lists that are not named as their applications.
_NAMES: Mapping[str, str] = {
    "authentik_endpoints": "endpoints",
    "authentik_policies_expiry": "password_expiry",
    "authentik_stages_invitation": "invitation/stages",
    "authentik_stages_prompt": "prompt/stages",
}
_FOLDERS = {STAGE.name: "stages", POLICY.name: "policies"}
_COMPONENTS: Mapping[str, str] = {
    "ak-policy-password-expiry-form": "authentik_policies_expiry.passwordexpirypolicy",
    "ak-policy-password-uniqueness-form": "authentik_policies_unique_password.uniquepasswordpolicy",
}


def build_path(kind: Kind, model: str) -> str:
    """Return the path of the list of a type, which is a guess if the type is unknown."""
    application = model.partition(".")[0]
    folder = _FOLDERS[kind.name]
    name = application.removeprefix(f"authentik_{folder}_").removeprefix("authentik_")
    name = re.sub("^authenticator_", "authenticator/", _NAMES.get(application, name))
    return f"{folder}/{name}/"


def is_known(model: str) -> bool:
    """Return whether this version of FlowQL knows the type."""
    return model in ATTRIBUTES


def find_model(item: Mapping[str, object]) -> str | None:
    """Return the model of a stage or a policy, None if it is unknown."""
    name = _read_string(item, "meta_model_name").lower()
    return name if MODEL.fullmatch(name) else _COMPONENT_MODELS.get(_read_string(item, "component"))


def _read_string(item: Mapping[str, object], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def build_permission(model: str) -> str:
    """Return the permission to view the objects of a model, as authentik names it."""
    application, _, name = model.partition(".")
    return f"{application}.view_{name}"


def _build_component_models() -> Mapping[str, str]:
    """Return the models by the names of their forms."""
    models: dict[str, str] = {}
    for model in ATTRIBUTES:
        application = model.partition(".")[0]
        for kind in ("stage", "policy"):
            prefix = f"authentik_{'stages' if kind == 'stage' else 'policies'}_"
            if application.startswith(prefix) and model.endswith(kind):
                name = application.removeprefix(prefix).replace("_", "-")
                models[f"ak-{kind}-{name}-form"] = model
    return {**models, **_COMPONENTS}


_COMPONENT_MODELS = _build_component_models()
