"""The secret attributes of authentik's models, and the value that replaces secrets."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from models.authentik.attributes import ATTRIBUTES
from models.authentik.known_models import find_suggestion

SECRET: Mapping[str, Any] = {"$secret": True}
SECRET_JSON = json.dumps(SECRET)

# By model: what authentik's API only accepts and never returns, and what gives access in the same
# way though authentik returns it or has no API for it.
_SECRETS: Mapping[str, frozenset[str]] = {
    model: frozenset(names.split())
    for model, names in {
        "authentik_core.token": "key",
        "authentik_core.user": "password password_hash",
        "authentik_crypto.certificatekeypair": "certificate_data key_data",
        "authentik_endpoints_connectors_agent.enrollmenttoken": "key",
        "authentik_endpoints_connectors_fleet.fleetconnector": "token",
        "authentik_endpoints_connectors_google_chrome.googlechromeconnector": "credentials",
        "authentik_enterprise.license": "key",
        "authentik_outposts.kubernetesserviceconnection": "kubeconfig",
        "authentik_providers_google_workspace.googleworkspaceprovider": "credentials",
        "authentik_providers_microsoft_entra.microsoftentraprovider": "client_secret",
        "authentik_providers_oauth2.oauth2provider": "client_secret",
        "authentik_providers_proxy.proxyprovider": "client_secret cookie_secret",
        "authentik_providers_radius.radiusprovider": "shared_secret",
        "authentik_providers_scim.scimprovider": "auth_oauth_params token",
        "authentik_sources_kerberos.kerberossource": "spnego_ccache spnego_keytab sync_ccache"
        " sync_keytab sync_password",
        "authentik_sources_ldap.ldapsource": "bind_password",
        "authentik_sources_oauth.oauthsource": "consumer_secret",
        "authentik_sources_oauth.useroauthsourceconnection": "access_token refresh_token",
        "authentik_sources_plex.plexsource": "plex_token",
        "authentik_sources_plex.plexsourceconnection": "plex_token",
        "authentik_sources_plex.userplexsourceconnection": "plex_token",
        "authentik_sources_telegram.telegramsource": "bot_token",
        "authentik_stages_authenticator_duo.authenticatorduostage": "admin_secret_key"
        " client_secret",
        "authentik_stages_authenticator_email.authenticatoremailstage": "password",
        "authentik_stages_authenticator_email.emaildevice": "token",
        "authentik_stages_authenticator_endpoint_gdtc.authenticatorendpointgdtcstage": (
            "credentials"
        ),
        "authentik_stages_authenticator_sms.authenticatorsmsstage": "auth auth_password",
        "authentik_stages_authenticator_sms.smsdevice": "token",
        "authentik_stages_authenticator_static.statictoken": "token",
        "authentik_stages_authenticator_totp.totpdevice": "key",
        "authentik_stages_captcha.captchastage": "private_key",
        "authentik_stages_email.emailstage": "password",
    }.items()
}
# The rule for other names: one of these words in it, whatever separates the words.
_SECRET_WORDS = re.compile(
    r"secret|passw(?:or)?d(?!less)|passphrase|passcode|credential|token|keytab|ccache|kubeconfig"
    r"|(?:private|api|access|account|auth|encryption|license|master|session|shared|signing|ssh)"
    r"[-_. ]?key"
    r"|(?:^|[-_. ])(?:authorization|bearer|pass$|pin|psk|pwd)(?:$|[-_. ])"
)
# The first and last words of names that describe a secret and do not contain it.
_DESCRIPTION = re.compile(
    r"^(?:allow|disable|enable|has|hide|is|show)[-_. ]"
    r"|[-_. ](?:age|algorithm|attributes?|backends?|count|days|digits|duration|enabled|endpoint"
    r"|expir(?:y|es|ation)|expires_in|fields?|flow|hours|ids?|length|lifetime|mappings?|max|method"
    r"|min|minutes|mode|name|polic(?:y|ies)|required|seconds|size|stages?|threshold|ttl|type"
    r"|ur[il]|validity|version)$"
)
# The rule for values: a private key in PEM, whose line breaks can be escaped.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr])*[A-Za-z0-9+/]"
)
_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret(model: str, attribute: str) -> bool:
    """Return whether an attribute contains a secret: by the list, or else by its name.

    A mistyped name is secret if the nearest known one is.
    """
    known, listed = ATTRIBUTES.get(model, {}), _SECRETS.get(model, ())
    if attribute in listed or attribute in known:
        return attribute in listed
    return is_secret_name(attribute) or find_suggestion(attribute, tuple(known)) in listed


def is_secret_name(name: str) -> bool:
    """Return whether a name outside the list looks like that of a secret."""
    words = _CAPITALS.sub("_", name).lower()
    return bool(_SECRET_WORDS.search(words)) and not _DESCRIPTION.search(words)


def mask(model: str, attribute: str, value: Any) -> Any:
    """Return the value, or SECRET in its place, also below the keys of a mapping in it.

    Null and empty strings stay, and booleans, since no secret is one. Private keys in PEM are
    secrets everywhere.
    """
    return _mask_secret(value) if is_secret(model, attribute) else _mask_nested(value)


def mask_value(value: Any) -> Any:
    """Return the value of an attribute that is no secret, without secrets in it."""
    return _mask_nested(value)


def _mask_secret(value: Any) -> Any:
    return value if value is None or value == "" or isinstance(value, bool) else SECRET


def _mask_nested(value: Any) -> Any:
    if isinstance(value, dict):
        items = cast(dict[Any, Any], value).items()
        return {key: _mask_item(key, item) for key, item in items}
    if isinstance(value, list):
        return [_mask_nested(item) for item in cast(list[Any], value)]
    if isinstance(value, str) and _PRIVATE_KEY.search(value):
        return SECRET
    return value


def _mask_item(key: Any, item: Any) -> Any:
    is_secret_key = isinstance(key, str) and is_secret_name(key)
    return _mask_secret(item) if is_secret_key else _mask_nested(item)
