"""Labels for authentik's stored values; an unknown value is its own label."""

import re
from collections.abc import Mapping

APP_NAME = re.compile(r"authentik_(?:enterprise_)?(?:stages|policies)_(\w+)\.\w+")
TYPE_SUFFIX = re.compile(r"(?<=.)(?:stage|policy)\Z")
# Types whose label cannot be derived from the name of their Django app.
TYPES: Mapping[str, str] = {
    "authenticator_duo": "Duo authenticator setup",
    "authenticator_email": "Email authenticator setup",
    "authenticator_endpoint_gdtc": "Google device trust",
    "authenticator_sms": "SMS authenticator setup",
    "authenticator_static": "Static authenticator setup",
    "authenticator_totp": "TOTP authenticator setup",
    "authenticator_validate": "Authenticator validation",
    "authenticator_webauthn": "WebAuthn authenticator setup",
    "expiry": "Password expiry",
    "geoip": "GeoIP",
    "mtls": "Mutual TLS",
}
DESIGNATIONS: Mapping[str, str] = {
    "authentication": "Authentication flow",
    "authorization": "Authorization flow",
    "invalidation": "Invalidation flow",
    "enrollment": "Enrollment flow",
    "unenrollment": "Unenrollment flow",
    "recovery": "Recovery flow",
    "stage_configuration": "Stage configuration flow",
}
AUTHENTICATIONS: Mapping[str, str] = {
    "none": "",
    "require_authenticated": "Requires an authenticated user",
    "require_unauthenticated": "Requires an unauthenticated user",
    "require_superuser": "Requires a superuser",
    "require_redirect": "Requires a redirect from another flow",
    "require_outpost": "Requires an outpost",
    "require_token": "Requires a flow token",
}
HIDDEN_BINDINGS = "Some bindings may be hidden"
MARKS: Mapping[str, str] = {"added": "+ Added", "removed": "\u2212 Removed"}
DENIED_ACTIONS: Mapping[str, str] = {
    "message_continue": "Redirects to the next URL, or shows a message",
    "message": "Shows a message",
    "continue": "Redirects to the next URL",
}
INVALID_RESPONSE_ACTIONS: Mapping[str, str] = {
    "retry": "",
    "restart": "On an invalid response, restarts the flow",
    "restart_with_context": "On an invalid response, restarts the flow and keeps its context",
}


def format_type(model: str | None) -> str:
    """Return the label of a stage's or a policy's type, such as `Password`.

    `model` is the name of its model in blueprints. The label of an unknown type (None) is empty.
    """
    if model is None:
        return ""
    match = APP_NAME.fullmatch(model)
    name = match[1] if match else TYPE_SUFFIX.sub("", model.rpartition(".")[2])
    return TYPES.get(name) or _capitalize(name.replace("_", " "))


def format_policy_type(model: str | None) -> str:
    """Return the label of a policy's type with the word policy, such as `Expression policy`."""
    return _capitalize(f"{format_type(model)} policy".strip())


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]
