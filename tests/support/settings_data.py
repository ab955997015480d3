"""Stages and policies with settings: in authentik's tables, and the values that FlowQL shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db.backends.utils import truncate_name
from psycopg import sql
from psycopg.types.json import Jsonb

from support.edge_case_data import LONG_TABLE, LONG_TYPE, identifier
from support.paths import TESTS
from support.seed import create_authentik

SETTINGS_SQL = TESTS / "support" / "settings.sql"
MAX_NAME_LENGTH = 63
SECRET = {"$secret": True}
# No response, export, log or error contains this.
CANARY = "canary-7f3a"
PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"

PASSWORD = "authentik_stages_password.passwordstage"
CAPTCHA = "authentik_stages_captcha.captchastage"
IDENTIFICATION = "authentik_stages_identification.identificationstage"
PROMPT_STAGE = "authentik_stages_prompt.promptstage"
SMS = "authentik_stages_authenticator_sms.authenticatorsmsstage"
USER_WRITE = "authentik_stages_user_write.userwritestage"
ODD = "authentik_stages_odd.oddstage"
GEOIP = "authentik_policies_geoip.geoippolicy"
EXPRESSION = "authentik_policies_expression.expressionpolicy"
PASSWORD_POLICY = "authentik_policies_password.passwordpolicy"

FLOW, OTHER_FLOW = identifier("settings", "flow"), identifier("settings", "other flow")
STAGES = {
    model: identifier("settings", model)
    for model in (
        *(PASSWORD, CAPTCHA, IDENTIFICATION, PROMPT_STAGE, LONG_TYPE, SMS, USER_WRITE, ODD),
    )
}
POLICIES = {model: identifier("settings", model) for model in (EXPRESSION, PASSWORD_POLICY, GEOIP)}
TYPES = {pk: model for model, pk in (STAGES | POLICIES).items()}
SOURCE, MAPPING = identifier("settings", "source"), identifier("settings", "mapping")
DEVICE_TYPE = identifier("settings", "device type")
GROUP = identifier("settings", "group")
PROMPTS = {name: identifier("settings prompt", name) for name in ("second", "first")}

# The settings of each type, as FlowQL shows them.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    PASSWORD: {
        "allow_show_password": True,
        "backends": ["authentik.core.auth.InbuiltBackend", "authentik.core.auth.TokenBackend"],
        "configure_flow": OTHER_FLOW,
        "failed_attempts_before_cancel": 5,
    },
    CAPTCHA: {
        "interactive": False,
        "js_url": "https://captcha.example/api.js",
        "private_key": SECRET,
        "public_key": "a public key",
        "score_min_threshold": 0.5,
    },
    IDENTIFICATION: {
        "captcha_stage": None,
        "case_insensitive_matching": True,
        "enrollment_flow": FLOW,
        "password_stage": STAGES[PASSWORD],
        "passwordless_flow": None,
        "sources": [SOURCE],
        "user_fields": ["email", "username"],
    },
    PROMPT_STAGE: {
        "fields": sorted(PROMPTS.values()),
        "validation_policies": [POLICIES[PASSWORD_POLICY]],
    },
    LONG_TYPE: {
        "configuration_stages": sorted([STAGES[PASSWORD], STAGES[LONG_TYPE]]),
        "device_classes": ["totp", "sms"],
        "email_otp_throttling_factor": 1.5,
        "last_auth_threshold": "seconds=0",
        "not_configured_action": "configure",
        "webauthn_allowed_device_types": [DEVICE_TYPE],
    },
    SMS: {
        "account_sid": "a name",
        "auth": SECRET,
        "auth_password": SECRET,
        "from_number": "+49",
        "mapping": MAPPING,
    },
    USER_WRITE: {"create_users_group": GROUP, "user_creation_mode": "always_create"},
    ODD: {
        "api_token": SECRET,
        "attributes": {"nested": [{"password": SECRET, "name": "x"}], "pem": SECRET},
        "client-secret": SECRET,
        "credentials": SECRET,
        "domain_secret": SECRET,
        "it's %s :odd": "odd",
        "notes": SECRET,
        "passphrases": SECRET,
        "password_retries": 3,
        "raw_password": SECRET,
        "show_token": True,
        "token_count": 6,
        "token_expiry": "minutes=30",
        "token_timeout": 1.5,
        "token_user": None,
    },
    GEOIP: {"asns": [1, 2], "countries": ["DE", "FR"]},
    EXPRESSION: {"expression": "# Two lines\nreturn True"},
    PASSWORD_POLICY: {
        "error_message": "Too short",
        "length_min": 12,
        "password_field": "password",
    },
}
# The values in columns of secrets, by type and column.
SECRET_VALUES: Mapping[str, Mapping[str, Any]] = {
    CAPTCHA: {"private_key": CANARY},
    SMS: {"auth": CANARY, "auth_password": CANARY},
    ODD: {
        "api_token": CANARY,
        "attributes": Jsonb({"nested": [{"password": CANARY, "name": "x"}], "pem": PEM}),
        "client-secret": CANARY,
        "credentials": Jsonb({"key": CANARY}),
        "domain_secret": Jsonb({"key": CANARY}),
        "notes": PEM,
        "passphrases": [CANARY],
        "raw_password": CANARY.encode(),
    },
}
REFERENCES = (
    *("configure_flow", "enrollment_flow", "passwordless_flow", "password_stage"),
    *("captcha_stage", "mapping", "create_users_group", "token_user"),
)
# The lists: the tables, with the columns of the owner and of the items.
LISTS: Mapping[tuple[str, str], tuple[str, str]] = {
    (IDENTIFICATION, "sources"): ("identificationstage_id", "source_id"),
    (PROMPT_STAGE, "fields"): ("promptstage_id", "prompt_id"),
    (PROMPT_STAGE, "validation_policies"): ("promptstage_id", "policy_id"),
    (LONG_TYPE, "configuration_stages"): ("authenticatorvalidatestage_id", "stage_id"),
    (LONG_TYPE, "webauthn_allowed_device_types"): (
        "authenticatorvalidatestage_id",
        "webauthndevicetype_id",
    ),
}


def find_table(model: str) -> str:
    """Return the child table of a type."""
    return truncate_name(model.replace(".", "_"), MAX_NAME_LENGTH)


def find_list_table(model: str, name: str) -> str:
    """Return the table of a list."""
    return truncate_name(f"{find_table(model)}_{name}", MAX_NAME_LENGTH)


def create_settings(url: str) -> str:
    """Create authentik's tables with a flow that uses a stage and a policy of each type."""
    create_authentik(url)
    tables = {
        name: find_list_table(LONG_TYPE, name)
        for name in ("configuration_stages", "webauthn_allowed_device_types")
    }
    assert find_table(LONG_TYPE) == LONG_TABLE
    with psycopg.connect(url) as connection:
        connection.execute(SETTINGS_SQL.read_text().format(**tables).encode())
        _fill(connection)
    return url


def _fill(connection: psycopg.Connection) -> None:
    connection.execute("SET CONSTRAINTS ALL DEFERRED")
    for pk, slug in ((FLOW, "all-types"), (OTHER_FLOW, "other")):
        _insert_target(connection, identifier("settings target", slug))
        _insert(
            connection,
            "authentik_flows_flow",
            policybindingmodel_ptr_id=identifier("settings target", slug),
            flow_uuid=pk,
            name=slug,
            slug=slug,
            title=slug,
            layout="stacked",
            designation="authentication",
            background="",
            compatibility_mode=False,
            denied_action="message",
            authentication="none",
        )
    _insert(
        connection, "authentik_core_source", policybindingmodel_ptr_id=SOURCE, name="L", slug="ldap"
    )
    _insert(
        connection, "authentik_core_propertymapping", pm_uuid=MAPPING, name="map", expression=CANARY
    )
    _insert(
        connection, "authentik_events_notificationwebhookmapping", propertymapping_ptr_id=MAPPING
    )
    _insert(
        connection,
        "authentik_stages_authenticator_webauthn_webauthndevicetype",
        aaguid=DEVICE_TYPE,
        description="A key",
    )
    _insert(
        connection,
        "authentik_core_group",
        group_uuid=GROUP,
        name="engineers",
        is_superuser=False,
        attributes=Jsonb({"secret": CANARY}),
    )
    for number, (name, pk) in enumerate(PROMPTS.items()):
        _insert_prompt(connection, pk, name, 10 - number)
    for number, (model, pk) in enumerate(STAGES.items()):
        _insert(connection, "authentik_flows_stage", stage_uuid=pk, name=model)
        _bind_stage(connection, pk, number)
    for number, (model, pk) in enumerate(POLICIES.items()):
        _insert_policy(connection, model, pk, number)
    for model, pk in (STAGES | POLICIES).items():
        _insert_settings(connection, model, pk)
    _insert_content_types(connection)


def _insert_settings(connection: psycopg.Connection, model: str, pk: str) -> None:
    key = "policy_ptr_id" if model in POLICIES else "stage_ptr_id"
    columns: dict[str, Any] = {key: pk}
    lists: dict[str, Sequence[str]] = {}
    for name, value in SETTINGS[model].items():
        if (model, name) in LISTS:
            lists[name] = value
        else:
            columns[f"{name}_id" if name in REFERENCES else name] = value
    # Django stores a list of countries as a string.
    stored = {"countries": "DE,FR"} if model == GEOIP else SECRET_VALUES.get(model, {})
    _insert(connection, find_table(model), **{**columns, **stored})
    for name, items in lists.items():
        owner, item = LISTS[model, name]
        for value in items:
            _insert(connection, find_list_table(model, name), **{owner: pk, item: value})


def _insert_prompt(connection: psycopg.Connection, pk: str, name: str, order: int) -> None:
    _insert(
        connection,
        "authentik_stages_prompt_prompt",
        prompt_uuid=pk,
        name=name,
        field_key=f"key {name}",
        label=f"label {name}",
        type="text",
        required=True,
        placeholder="",
        initial_value="",
        order=order,
        sub_text="below",
        placeholder_expression=False,
        initial_value_expression=True,
    )


def _insert_policy(connection: psycopg.Connection, model: str, pk: str, order: int) -> None:
    _insert(
        connection,
        "authentik_policies_policy",
        created="2026-01-01T00:00:00Z",
        last_updated="2026-01-01T00:00:00Z",
        policy_uuid=pk,
        name=model,
        execution_logging=True,
    )
    _insert(
        connection,
        "authentik_policies_policybinding",
        policy_binding_uuid=identifier("settings binding", model),
        enabled=True,
        negate=False,
        timeout=30,
        failure_result=False,
        order=order,
        expiring=False,
        policy_id=pk,
        target_id=identifier("settings target", "all-types"),
    )


def _bind_stage(connection: psycopg.Connection, pk: str, order: int) -> None:
    target = identifier("settings target", pk)
    _insert_target(connection, target)
    _insert(
        connection,
        "authentik_flows_flowstagebinding",
        policybindingmodel_ptr_id=target,
        fsb_uuid=identifier("settings binding", pk),
        evaluate_on_plan=False,
        re_evaluate_policies=True,
        invalid_response_action="retry",
        order=order,
        stage_id=pk,
        target_id=FLOW,
    )


def _insert_target(connection: psycopg.Connection, pk: str) -> None:
    _insert(
        connection, "authentik_policies_policybindingmodel", pbm_uuid=pk, policy_engine_mode="any"
    )


def _insert_content_types(connection: psycopg.Connection) -> None:
    """Insert the content types of all types, with the permission to view each, and others."""
    others = ("authentik_flows.flow", "authentik_flows.flowstagebinding", "authentik_flows.stage")
    policies = ("authentik_policies.policy", "authentik_policies.policybinding")
    models = [*SETTINGS, *others, *policies, "authentik_stages_prompt.prompt"]
    for number, model in enumerate(models, 1):
        application, name = model.split(".")
        _insert(connection, "django_content_type", id=number, app_label=application, model=name)
        _insert(
            connection,
            "auth_permission",
            id=number,
            name=f"Can view {name}",
            content_type_id=number,
            codename=f"view_{name}",
        )


def _insert(connection: psycopg.Connection, table: str, /, **row: Any) -> None:
    columns = sql.SQL(", ").join(sql.Identifier(name.replace("%", "%%")) for name in row)
    values = sql.SQL(", ").join(sql.Placeholder() * len(row))
    insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})")
    connection.execute(insert.format(sql.Identifier(table), columns, values), list(row.values()))


def add_viewer(url: str, key: str, *grants: str, is_superuser: bool = False) -> str:
    """Create a user with a token, and a role with permissions; return the key.

    A grant is `application.codename`, or with `:` and a primary key for a single object.
    """
    number = int.from_bytes(key.encode()[:3], "big") % 10_000 + 100
    with psycopg.connect(url) as connection:
        _insert_user(connection, number, key)
        role, group = identifier("role", key), identifier("group", key)
        _insert(connection, "authentik_rbac_role", uuid=role, name=key)
        _insert(connection, "authentik_core_user_roles", user_id=number, role_id=role)
        if is_superuser:
            _insert(
                connection,
                "authentik_core_group",
                group_uuid=group,
                name=key,
                is_superuser=True,
                attributes=Jsonb({}),
            )
            _insert(connection, "authentik_core_user_groups", user_id=number, group_id=group)
        for grant in grants:
            _grant(connection, role, grant)
    return key


def _insert_user(connection: psycopg.Connection, number: int, key: str) -> None:
    now = "2026-01-01T00:00:00Z"
    _insert(
        connection,
        "authentik_core_user",
        id=number,
        password=CANARY,
        username=key,
        first_name="",
        last_name="",
        email="",
        is_active=True,
        date_joined=now,
        uuid=identifier("user", key),
        name=key,
        path="users",
        type="internal",
        attributes=Jsonb({}),
        password_change_date=now,
        last_updated=now,
    )
    _insert(
        connection,
        "authentik_core_token",
        token_uuid=identifier("token", key),
        identifier=key,
        key=key,
        intent="api",
        description="",
        expiring=False,
        user_id=number,
    )


def _grant(connection: psycopg.Connection, role: str, grant: str) -> None:
    label, _, pk = grant.partition(":")
    application, codename = label.split(".")
    row = connection.execute(
        "SELECT permission.id, content_type_id FROM auth_permission AS permission"
        " JOIN django_content_type AS type ON type.id = content_type_id"
        " WHERE app_label = %s AND codename = %s",
        [application, codename],
    ).fetchone()
    assert row, label
    common = {"permission_id": row[0], "content_type_id": row[1], "role_id": role}
    if pk:
        _insert(connection, "guardian_roleobjectpermission", object_pk=pk, **common)
    else:
        _insert(connection, "guardian_rolemodelpermission", **common)
