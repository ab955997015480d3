"""The attributes by which blueprints refer to objects, since primary keys differ between systems."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NaturalKey:
    """The unique attribute of a model, and where authentik stores it."""

    field: str
    table: str
    pk: str
    column: str


def _key(field: str, table: str, pk: str) -> NaturalKey:
    return NaturalKey(field, table, pk, field)


NATURAL_KEYS: Mapping[str, NaturalKey] = {
    "authentik_core.group": _key("name", "authentik_core_group", "group_uuid"),
    "authentik_core.propertymapping": _key("name", "authentik_core_propertymapping", "pm_uuid"),
    "authentik_core.source": _key("slug", "authentik_core_source", "policybindingmodel_ptr_id"),
    "authentik_crypto.certificatekeypair": _key(
        "name", "authentik_crypto_certificatekeypair", "kp_uuid"
    ),
    "authentik_endpoints.connector": _key(
        "name", "authentik_endpoints_connector", "connector_uuid"
    ),
    "authentik_flows.flow": _key("slug", "authentik_flows_flow", "flow_uuid"),
    "authentik_flows.stage": _key("name", "authentik_flows_stage", "stage_uuid"),
    "authentik_policies.policy": _key("name", "authentik_policies_policy", "policy_uuid"),
    "authentik_rbac.role": _key("name", "authentik_rbac_role", "uuid"),
    "authentik_stages_prompt.prompt": _key("name", "authentik_stages_prompt_prompt", "prompt_uuid"),
}
# Objects that authentik creates itself, with equal primary keys in every system.
FIXED_MODELS = frozenset({"authentik_stages_authenticator_webauthn.webauthndevicetype"})
