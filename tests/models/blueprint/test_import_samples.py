"""The sample blueprints declare the flows that authentik ships."""

from support.blueprints import BlueprintDatabase, Policies, Stages, count_entries, read_content
from support.paths import SAMPLES

IDENTIFICATION = "authentik_stages_identification.identificationstage"
PASSWORD = "authentik_stages_password.passwordstage"
VALIDATE = "authentik_stages_authenticator_validate.authenticatorvalidatestage"
STATIC = "authentik_stages_authenticator_static.authenticatorstaticstage"
TOTP = "authentik_stages_authenticator_totp.authenticatortotpstage"
WEBAUTHN = "authentik_stages_authenticator_webauthn.authenticatewebauthnstage"
LOGIN = "authentik_stages_user_login.userloginstage"
LOGOUT = "authentik_stages_user_logout.userlogoutstage"
WRITE = "authentik_stages_user_write.userwritestage"
DELETE = "authentik_stages_user_delete.userdeletestage"
PROMPT = "authentik_stages_prompt.promptstage"
CONSENT = "authentik_stages_consent.consentstage"
EMAIL = "authentik_stages_email.emailstage"
EXPRESSION = "authentik_policies_expression.expressionpolicy"
PASSWORD_POLICY = "authentik_policies_password.passwordpolicy"
# slug: (name, title, designation, authentication, stages, policies). The target of a policy is a
# slug or the name of a stage.
SHIPPED: dict[str, tuple[str, str, str, str, Stages, Policies]] = {
    "default-authentication-flow": (
        "Welcome to authentik!",
        "Welcome to authentik!",
        "authentication",
        "none",
        [
            (10, "default-authentication-identification", IDENTIFICATION),
            (20, "default-authentication-password", PASSWORD),
            (30, "default-authentication-mfa-validation", VALIDATE),
            (100, "default-authentication-login", LOGIN),
        ],
        [
            (
                "default-authentication-password",
                10,
                "default-authentication-flow-password-stage",
                EXPRESSION,
            )
        ],
    ),
    "default-invalidation-flow": (
        "Logout",
        "Default Invalidation Flow",
        "invalidation",
        "none",
        [(0, "default-invalidation-logout", LOGOUT)],
        [],
    ),
    "default-provider-invalidation-flow": (
        "Logout",
        "You've logged out of %(app)s.",
        "invalidation",
        "none",
        [],
        [],
    ),
    "default-provider-authorization-explicit-consent": (
        "Authorize Application",
        "Redirecting to %(app)s",
        "authorization",
        "require_authenticated",
        [(0, "default-provider-authorization-consent", CONSENT)],
        [],
    ),
    "default-provider-authorization-implicit-consent": (
        "Authorize Application",
        "Redirecting to %(app)s",
        "authorization",
        "require_authenticated",
        [],
        [],
    ),
    "default-source-authentication": (
        "Welcome to authentik!",
        "Welcome to authentik!",
        "authentication",
        "require_unauthenticated",
        [(0, "default-source-authentication-login", LOGIN)],
        [
            (
                "default-source-authentication",
                0,
                "default-source-authentication-if-sso",
                EXPRESSION,
            )
        ],
    ),
    "default-source-enrollment": (
        "Welcome to authentik! Please select a username.",
        "Welcome to authentik! Please select a username.",
        "enrollment",
        "none",
        [
            (0, "default-source-enrollment-prompt", PROMPT),
            (1, "default-source-enrollment-write", WRITE),
            (2, "default-source-enrollment-login", LOGIN),
        ],
        [
            ("default-source-enrollment", 0, "default-source-enrollment-if-sso", EXPRESSION),
            (
                "default-source-enrollment-prompt",
                0,
                "default-source-enrollment-if-username",
                EXPRESSION,
            ),
        ],
    ),
    "default-source-pre-authentication": (
        "Pre-Authentication",
        "Pre-authentication",
        "stage_configuration",
        "none",
        [],
        [],
    ),
    "default-authenticator-static-setup": (
        "default-authenticator-static-setup",
        "Setup Static OTP Tokens",
        "stage_configuration",
        "require_authenticated",
        [(0, "default-authenticator-static-setup", STATIC)],
        [],
    ),
    "default-authenticator-totp-setup": (
        "default-authenticator-totp-setup",
        "Set up Two-Factor authentication",
        "stage_configuration",
        "require_authenticated",
        [(0, "default-authenticator-totp-setup", TOTP)],
        [],
    ),
    "default-authenticator-webauthn-setup": (
        "default-authenticator-webauthn-setup",
        "Setup WebAuthn",
        "stage_configuration",
        "require_authenticated",
        [(0, "default-authenticator-webauthn-setup", WEBAUTHN)],
        [],
    ),
    "default-user-settings-flow": (
        "User settings",
        "Update your info",
        "stage_configuration",
        "require_authenticated",
        [(20, "default-user-settings", PROMPT), (100, "default-user-settings-write", WRITE)],
        [],
    ),
    "default-password-change": (
        "Change Password",
        "Change password",
        "stage_configuration",
        "require_authenticated",
        [
            (0, "default-password-change-prompt", PROMPT),
            (1, "default-password-change-write", WRITE),
        ],
        [
            (
                "default-password-change-write",
                0,
                "default-password-change-password-policy",
                PASSWORD_POLICY,
            )
        ],
    ),
    "initial-setup": (
        "default-oobe-setup",
        "Welcome to authentik!",
        "stage_configuration",
        "none",
        [
            (10, "stage-default-oobe-password", PROMPT),
            (20, "default-password-change-write", WRITE),
            (100, "default-authentication-login", LOGIN),
        ],
        [
            ("initial-setup", 0, "default-oobe-password-usable", EXPRESSION),
            ("default-password-change-write", 0, "default-oobe-prefill-user", EXPRESSION),
        ],
    ),
    "default-enrollment-flow": (
        "Default enrollment Flow",
        "Welcome to authentik!",
        "enrollment",
        "require_unauthenticated",
        [
            (10, "default-enrollment-prompt-first", PROMPT),
            (11, "default-enrollment-prompt-second", PROMPT),
            (20, "default-enrollment-user-write", WRITE),
            (100, "default-enrollment-user-login", LOGIN),
        ],
        [],
    ),
    "default-recovery-flow": (
        "Default recovery flow",
        "Reset your password",
        "recovery",
        "require_unauthenticated",
        [
            (10, "default-recovery-identification", IDENTIFICATION),
            (20, "default-recovery-email", EMAIL),
            (30, "Change your password", PROMPT),
            (40, "default-recovery-user-write", WRITE),
            (100, "default-recovery-user-login", LOGIN),
        ],
        [
            (
                "default-recovery-identification",
                0,
                "default-recovery-skip-if-restored",
                EXPRESSION,
            ),
            ("default-recovery-email", 0, "default-recovery-skip-if-restored", EXPRESSION),
        ],
    ),
    "default-unenrollment-flow": (
        "Default unenrollment flow",
        "Delete your account",
        "unenrollment",
        "require_authenticated",
        [(10, "default-unenrollment-user-delete", DELETE)],
        [],
    ),
}


def test_samples_contain_the_flows_of_authentik(blueprint_database: BlueprintDatabase) -> None:
    """Each flow has authentik's slug, names, stages, order and policies; there are no other rows."""
    blueprint_database.load(SAMPLES)
    content = read_content(blueprint_database)
    assert content.describe_flows() == SHIPPED
    stages = {stage[1:] for flow in SHIPPED.values() for stage in flow[4]}
    policies = {policy[2:] for flow in SHIPPED.values() for policy in flow[5]}
    assert {(name, content.types[pk]) for pk, name in content.stages.items()} == stages
    assert {(name, content.types[pk]) for pk, name in content.policies.items()} == policies
    assert len(content.bindings) == sum(len(flow[4]) for flow in SHIPPED.values())
    assert len(content.policy_bindings) == sum(len(flow[5]) for flow in SHIPPED.values())
    assert len(content.parents) == len(content.flows) + len(content.bindings)


def test_samples_have_the_defaults_of_authentik(blueprint_database: BlueprintDatabase) -> None:
    """Fields that SHIPPED does not contain have the defaults of authentik's models."""
    blueprint_database.load(SAMPLES)
    content = read_content(blueprint_database)
    assert set(content.parents.values()) == {"any"}
    assert {
        (row.background, row.layout, row.denied_action, row.compatibility_mode)
        for row in content.flows
    } == {("", "stacked", "message_continue", False)}
    assert {
        (content.stages[row.stage_id], row.evaluate_on_plan, row.re_evaluate_policies)
        for row in content.bindings
        if row.evaluate_on_plan or not row.re_evaluate_policies
    } == {
        ("stage-default-oobe-password", True, False),
        ("default-authentication-login", True, False),
    }
    assert {row.invalid_response_action for row in content.bindings} == {"retry"}
    assert [
        content.policies[row.policy_id] for row in content.policy_bindings if row.failure_result
    ] == ["default-authentication-flow-password-stage"]
    assert {
        (row.enabled, row.negate, row.timeout, row.group_id, row.user_id)
        for row in content.policy_bindings
    } == {(True, False, 30, None, None)}


def test_second_import_changes_nothing(blueprint_database: BlueprintDatabase) -> None:
    """All columns stay the same, and the report counts all entries as unchanged."""
    first = blueprint_database.load(SAMPLES)
    before = blueprint_database.dump()
    second = blueprint_database.load(SAMPLES)
    assert count_entries(second) == (0, 0, first.created + first.unchanged)
    assert blueprint_database.dump() == before
