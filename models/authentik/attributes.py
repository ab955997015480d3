"""The attributes of the models that FlowQL stores, in authentik's API from 2024.2 to 2026.8.

Models are named as in blueprints, in lower case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class AttributeType(StrEnum):
    """The type of an attribute."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    CHOICE = "choice"
    MAPPING = "mapping"
    LIST = "list"
    REFERENCE = "reference"
    READ_ONLY = "read-only"


@dataclass(frozen=True, slots=True)
class Attribute:
    """The type of an attribute's values, and their limits.

    `target` is the model that a reference refers to. authentik ignores read-only attributes.
    """

    type: AttributeType
    is_nullable: bool = False
    can_be_empty: bool = False
    minimum: int = -(2**31)
    maximum: int = 2**31 - 1
    max_length: int | None = None
    choices: tuple[str | int, ...] = ()
    items: "Attribute | None" = None
    target: str | None = None


Attributes = Mapping[str, Attribute]


def _choice(choices: str) -> Attribute:
    return Attribute(AttributeType.CHOICE, choices=tuple(choices.split()))


def _list_of(items: Attribute) -> Attribute:
    return Attribute(AttributeType.LIST, can_be_empty=True, items=items)


def _reference(target: str) -> Attribute:
    return Attribute(AttributeType.REFERENCE, is_nullable=True, target=target)


def _nullable(attribute: Attribute) -> Attribute:
    return replace(attribute, is_nullable=True)


def _all(attribute: Attribute, names: str) -> Attributes:
    return dict.fromkeys(names.split(), attribute)


BOOLEAN = Attribute(AttributeType.BOOLEAN)
INTEGER = Attribute(AttributeType.INTEGER)
COUNT = Attribute(AttributeType.INTEGER, minimum=0)
NUMBER = Attribute(AttributeType.NUMBER)
STRING = Attribute(AttributeType.STRING)
# A string that can be empty.
TEXT = Attribute(AttributeType.STRING, can_be_empty=True)
EMAIL = Attribute(AttributeType.STRING, max_length=254)
MAPPING = Attribute(AttributeType.MAPPING)
READ_ONLY = Attribute(AttributeType.READ_ONLY)

FLOW = _reference("authentik_flows.flow")
STAGE = _reference("authentik_flows.stage")
GROUP = _reference("authentik_core.group")
POLICY = _reference("authentik_policies.policy")
SOURCE = _reference("authentik_core.source")
ROLE = _reference("authentik_rbac.role")
USER = _reference("authentik_core.user")
CERTIFICATE = _reference("authentik_crypto.certificatekeypair")
DEVICE_TYPE = _reference("authentik_stages_authenticator_webauthn.webauthndevicetype")
VALIDATE_STAGE = _reference("authentik_stages_authenticator_validate.authenticatorvalidatestage")

HINTS = _list_of(_choice("security-key client-device hybrid"))
MODE = _choice("optional required")
POLICY_ENGINE_MODE = _choice("all any")
PREFERENCE = _choice("required preferred discouraged")
USER_TYPE = _choice("internal external service_account internal_service_account")

_META = _all(READ_ONLY, "pk component meta_model_name verbose_name verbose_name_plural")
_STAGE: Attributes = {"name": STRING, **_META, **_all(READ_ONLY, "flow_set stage_uuid")}
_POLICY: Attributes = {
    "name": STRING,
    "execution_logging": BOOLEAN,
    **_META,
    **_all(READ_ONLY, "bound_to created last_updated policy_uuid"),
}
# A stage that users configure for themselves.
_SETUP: Attributes = {"configure_flow": FLOW, "friendly_name": _nullable(TEXT)}
_EMAIL: Attributes = {
    **_all(BOOLEAN, "use_global_settings use_tls use_ssl"),
    **_all(STRING, "host token_expiry subject template"),
    **_all(TEXT, "username password"),
    **_all(INTEGER, "port timeout"),
    "from_address": EMAIL,
}
_WEBAUTHN: Attributes = {
    **_SETUP,
    **_all(PREFERENCE, "user_verification resident_key_requirement"),
    "authenticator_attachment": _nullable(_choice("platform cross-platform")),
    "hints": HINTS,
    "device_type_restrictions": _list_of(DEVICE_TYPE),
    "device_type_restrictions_obj": READ_ONLY,
    "max_attempts": COUNT,
    "prevent_duplicate_devices": BOOLEAN,
}

# The attributes of stages, beside those that all have.
_STAGES: Mapping[str, Attributes] = {
    "authentik_endpoints.endpointstage": {
        "connector": _reference("authentik_endpoints.connector"),
        "mode": MODE,
        "connector_obj": READ_ONLY,
    },
    "authentik_stages_account_lockdown.accountlockdownstage": {
        **_all(BOOLEAN, "deactivate_user set_unusable_password delete_sessions revoke_tokens"),
        "self_service_completion_flow": FLOW,
    },
    "authentik_stages_authenticator_duo.authenticatorduostage": {
        **_SETUP,
        **_all(STRING, "client_id client_secret api_hostname"),
        **_all(TEXT, "admin_integration_key admin_secret_key"),
    },
    "authentik_stages_authenticator_email.authenticatoremailstage": {**_SETUP, **_EMAIL},
    "authentik_stages_authenticator_endpoint_gdtc.authenticatorendpointgdtcstage": {
        **_SETUP,
        "credentials": MAPPING,
    },
    "authentik_stages_authenticator_sms.authenticatorsmsstage": {
        **_SETUP,
        **_all(STRING, "from_number account_sid auth"),
        "provider": _choice("twilio generic"),
        "auth_password": TEXT,
        "auth_type": _choice("basic bearer"),
        "verify_only": BOOLEAN,
        "mapping": _reference("authentik_events.notificationwebhookmapping"),
    },
    "authentik_stages_authenticator_static.authenticatorstaticstage": {
        **_SETUP,
        **_all(COUNT, "token_count token_length"),
    },
    "authentik_stages_authenticator_totp.authenticatortotpstage": {
        **_SETUP,
        "digits": Attribute(AttributeType.CHOICE, choices=(6, 8)),
    },
    "authentik_stages_authenticator_validate.authenticatorvalidatestage": {
        "not_configured_action": _choice("skip deny configure"),
        "device_classes": _list_of(_choice("static totp webauthn duo sms email")),
        "configuration_stages": _list_of(STAGE),
        "last_auth_threshold": STRING,
        "webauthn_user_verification": PREFERENCE,
        "webauthn_hints": HINTS,
        "webauthn_allowed_device_types": _list_of(DEVICE_TYPE),
        "webauthn_allowed_device_types_obj": READ_ONLY,
        **_all(NUMBER, "email_otp_throttling_factor sms_otp_throttling_factor"),
        **_all(NUMBER, "static_otp_throttling_factor totp_otp_throttling_factor"),
    },
    # The name in 2024.2.
    "authentik_stages_authenticator_webauthn.authenticatewebauthnstage": _WEBAUTHN,
    "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage": _WEBAUTHN,
    "authentik_stages_captcha.captchastage": {
        **_all(STRING, "public_key private_key js_url api_url"),
        "request_content_type": _choice("application/x-www-form-urlencoded application/json"),
        **_all(BOOLEAN, "interactive error_on_invalid_score"),
        **_all(NUMBER, "score_min_threshold score_max_threshold"),
    },
    "authentik_stages_consent.consentstage": {
        "mode": _choice("always_require permanent expiring"),
        "consent_expire_in": STRING,
    },
    "authentik_stages_deny.denystage": {"deny_message": TEXT},
    "authentik_stages_dummy.dummystage": {"throw_error": BOOLEAN},
    "authentik_stages_email.emailstage": {
        **_EMAIL,
        "activate_user_on_success": BOOLEAN,
        "recovery_max_attempts": COUNT,
        "recovery_cache_timeout": STRING,
    },
    "authentik_stages_identification.identificationstage": {
        "user_fields": _list_of(_choice("email username upn")),
        "password_stage": _reference("authentik_stages_password.passwordstage"),
        "captcha_stage": _reference("authentik_stages_captcha.captchastage"),
        "webauthn_stage": VALIDATE_STAGE,
        "sources": _list_of(SOURCE),
        **_all(FLOW, "enrollment_flow recovery_flow passwordless_flow"),
        **_all(BOOLEAN, "case_insensitive_matching show_matched_user show_source_labels"),
        **_all(BOOLEAN, "pretend_user_exists enable_remember_me"),
    },
    "authentik_stages_invitation.invitationstage": {"continue_flow_without_invitation": BOOLEAN},
    "authentik_stages_mtls.mutualtlsstage": {
        "mode": MODE,
        "certificate_authorities": _list_of(CERTIFICATE),
        "cert_attribute": _choice("subject common_name email"),
        "user_attribute": _choice("username email"),
    },
    "authentik_stages_password.passwordstage": {
        "backends": _list_of(
            _choice(
                "authentik.core.auth.InbuiltBackend authentik.core.auth.TokenBackend"
                " authentik.sources.kerberos.auth.KerberosBackend"
                " authentik.sources.ldap.auth.LDAPBackend"
            )
        ),
        "configure_flow": FLOW,
        "failed_attempts_before_cancel": INTEGER,
        "allow_show_password": BOOLEAN,
    },
    "authentik_stages_prompt.promptstage": {
        "fields": replace(
            _list_of(_reference("authentik_stages_prompt.prompt")), can_be_empty=False
        ),
        "validation_policies": _list_of(POLICY),
    },
    "authentik_stages_redirect.redirectstage": {
        "keep_context": BOOLEAN,
        "mode": _choice("static flow"),
        "target_static": TEXT,
        "target_flow": FLOW,
    },
    "authentik_stages_source.sourcestage": {
        "source": SOURCE,
        "resume_timeout": STRING,
        "resume_on_match_failures": _list_of(_choice("missing_property")),
    },
    "authentik_stages_user_delete.userdeletestage": {},
    "authentik_stages_user_login.userloginstage": {
        **_all(STRING, "session_duration remember_me_offset remember_device"),
        "terminate_other_sessions": BOOLEAN,
        "network_binding": _choice("no_binding bind_asn bind_asn_network bind_asn_network_ip"),
        "geoip_binding": _choice(
            "no_binding bind_continent bind_continent_country bind_continent_country_city"
        ),
    },
    "authentik_stages_user_logout.userlogoutstage": {},
    "authentik_stages_user_write.userwritestage": {
        "user_creation_mode": _choice("never_create create_when_required always_create"),
        "create_users_as_inactive": BOOLEAN,
        "create_users_group": GROUP,
        "user_type": USER_TYPE,
        "user_path_template": TEXT,
    },
}

# The attributes of policies, beside those that all have. Each version adds events, so that they
# are not listed.
_POLICIES: Mapping[str, Attributes] = {
    "authentik_policies_dummy.dummypolicy": {
        "result": BOOLEAN,
        **_all(INTEGER, "wait_min wait_max"),
    },
    "authentik_policies_event_matcher.eventmatcherpolicy": _all(
        _nullable(TEXT), "action app client_ip model query"
    ),
    "authentik_policies_expiry.passwordexpirypolicy": {"days": INTEGER, "deny_only": BOOLEAN},
    "authentik_policies_expression.expressionpolicy": {"expression": STRING},
    "authentik_policies_geoip.geoippolicy": {
        "asns": _list_of(INTEGER),
        "countries": _list_of(STRING),
        "countries_obj": READ_ONLY,
        **_all(BOOLEAN, "check_history_distance check_impossible_travel"),
        **_all(COUNT, "distance_tolerance_km history_login_count impossible_tolerance_km"),
        "history_max_distance_km": replace(COUNT, maximum=2**63 - 1),
    },
    "authentik_policies_password.passwordpolicy": {
        **_all(STRING, "password_field symbol_charset"),
        "error_message": TEXT,
        **_all(COUNT, "amount_digits amount_lowercase amount_symbols amount_uppercase length_min"),
        **_all(COUNT, "hibp_allowed_count zxcvbn_score_threshold"),
        **_all(BOOLEAN, "check_have_i_been_pwned check_static_rules check_zxcvbn"),
    },
    "authentik_policies_reputation.reputationpolicy": {
        **_all(BOOLEAN, "check_ip check_username"),
        "threshold": INTEGER,
    },
    "authentik_policies_unique_password.uniquepasswordpolicy": {
        "password_field": STRING,
        "num_historical_passwords": COUNT,
    },
}

_OTHERS: Mapping[str, Attributes] = {
    "authentik_core.group": {
        "name": STRING,
        "is_superuser": BOOLEAN,
        "parent": GROUP,
        "users": _list_of(USER),
        "roles": _list_of(ROLE),
        "attributes": MAPPING,
        **_all(_list_of(GROUP), "parents children"),
        **_all(READ_ONLY, "pk group_uuid num_pk parent_name parents_obj children_obj users_obj"),
        **_all(READ_ONLY, "roles_obj inherited_roles_obj"),
    },
    "authentik_core.user": {
        "username": replace(STRING, max_length=150),
        "name": TEXT,
        "is_active": BOOLEAN,
        "groups": _list_of(GROUP),
        "roles": _list_of(ROLE),
        "permissions": _list_of(STRING),
        "email": replace(EMAIL, can_be_empty=True),
        "attributes": MAPPING,
        "path": STRING,
        "type": USER_TYPE,
        "last_login": _nullable(TEXT),
        **_all(_nullable(STRING), "password password_hash"),
        **_all(READ_ONLY, "pk id uid uuid avatar is_superuser groups_obj roles_obj date_joined"),
        **_all(READ_ONLY, "last_updated password_change_date"),
    },
    "authentik_flows.flow": {
        **_all(STRING, "name slug title"),
        "designation": _choice(
            "authentication authorization invalidation enrollment unenrollment recovery"
            " stage_configuration"
        ),
        "background": TEXT,
        "policy_engine_mode": POLICY_ENGINE_MODE,
        "compatibility_mode": BOOLEAN,
        "layout": _choice(
            "stacked content_left content_right sidebar_left sidebar_right"
            " sidebar_left_frame_background sidebar_right_frame_background"
        ),
        "denied_action": _choice("message_continue message continue"),
        "authentication": _choice(
            "none require_authenticated require_unauthenticated require_superuser"
            " require_redirect require_outpost require_token"
        ),
        **_all(READ_ONLY, "pk flow_uuid policybindingmodel_ptr_id stages policies cache_count"),
        **_all(READ_ONLY, "background_url background_themed_urls export_url"),
    },
    "authentik_flows.flowstagebinding": {
        "target": FLOW,
        "stage": STAGE,
        **_all(BOOLEAN, "evaluate_on_plan re_evaluate_policies"),
        "order": INTEGER,
        "policy_engine_mode": POLICY_ENGINE_MODE,
        "invalid_response_action": _choice("retry restart restart_with_context"),
        **_all(READ_ONLY, "pk fsb_uuid policybindingmodel_ptr_id policies stage_obj"),
    },
    "authentik_policies.policybinding": {
        "target": _reference("authentik_policies.policybindingmodel"),
        "policy": POLICY,
        "group": GROUP,
        "user": USER,
        **_all(BOOLEAN, "enabled failure_result negate"),
        "order": INTEGER,
        "timeout": COUNT,
        **_all(READ_ONLY, "pk policy_binding_uuid policy_obj group_obj user_obj expires expiring"),
    },
    "authentik_stages_prompt.prompt": {
        **_all(STRING, "name field_key label"),
        "type": _choice(
            "text text_area text_read_only text_area_read_only username email password number"
            " checkbox radio-button-group dropdown date date-time file separator hidden static"
            " alert_info alert_warning alert_danger ak-locale"
        ),
        **_all(BOOLEAN, "required placeholder_expression initial_value_expression"),
        **_all(TEXT, "placeholder initial_value sub_text"),
        "order": INTEGER,
        **_all(READ_ONLY, "pk prompt_uuid promptstage_set prompt_stages_obj"),
    },
}

ATTRIBUTES: Mapping[str, Attributes] = {
    **{model: {**_STAGE, **attributes} for model, attributes in _STAGES.items()},
    **{model: {**_POLICY, **attributes} for model, attributes in _POLICIES.items()},
    **_OTHERS,
}
