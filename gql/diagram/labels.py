"""authentik's stored values in people's words; one that is not known is told as it is stored."""

import re
from collections.abc import Mapping

MODEL = re.compile(r"authentik_(?:enterprise_)?(?:stages|policies)_(\w+)\.\w+")
KIND = re.compile(r"(?<=.)(?:stage|policy)\Z")
# What the name of authentik's app does not say by itself.
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
    "require_authenticated": "Only for those who are logged in",
    "require_unauthenticated": "Only for those who are not logged in",
    "require_superuser": "Only for superusers",
    "require_redirect": "Only for those who come from another flow",
    "require_outpost": "Only for outposts",
    "require_token": "Only for those who bring a token for the flow",
}
DENIED_ACTIONS: Mapping[str, str] = {
    "message_continue": "Goes on to where the person came from, else shows a message",
    "message": "Shows a message",
    "continue": "Goes on to where the person came from",
}
INVALID_RESPONSE_ACTIONS: Mapping[str, str] = {
    "retry": "",
    "restart": "Answered wrongly, the flow begins anew",
    "restart_with_context": "Answered wrongly, the flow begins anew, and keeps what was answered",
}


def type_name(model: str | None) -> str:
    """What a stage or a policy is by its blueprint model: `Password`, or nothing where unknown."""
    if model is None:
        return ""
    known = MODEL.fullmatch(model)
    name = known[1] if known else KIND.sub("", model.rpartition(".")[2])
    return TYPES.get(name) or _capitalized(name.replace("_", " "))


def policy_type_name(model: str | None) -> str:
    """What a policy is: `Expression policy`."""
    return _capitalized(f"{type_name(model)} policy".strip())


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
