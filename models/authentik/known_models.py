"""The models of authentik 2024.2 to 2026.8, by their names in blueprints, in lower case."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache

from models.authentik.attributes import ATTRIBUTES, Attributes, AttributeType

NAMESPACE = "authentik_"
# Longer names are no typing mistakes.
MAX_NAME_LENGTH = 100
# The models without known attributes, by application. Only references use some of them, such as
# the common tables of stages, policies, sources and providers.
_OTHER_MODELS: Mapping[str, str] = {
    "authentik_agents": "agent",
    "authentik_blueprints": "blueprintinstance metaapplyblueprint",
    "authentik_brands": "brand",
    "authentik_core": "actor application applicationentitlement authenticatedsession"
    " groupsourceconnection objectattribute propertymapping provider source token"
    " usersourceconnection",
    "authentik_crypto": "certificatekeypair",
    "authentik_endpoints": "connector device deviceaccessgroup deviceuserbinding",
    "authentik_endpoints_connectors_agent": "agentconnector agentdeviceuserbinding enrollmenttoken",
    "authentik_endpoints_connectors_fleet": "fleetconnector",
    "authentik_endpoints_connectors_google_chrome": "googlechromeconnector",
    "authentik_enterprise": "license",
    "authentik_events": "event notification notificationrule notificationtransport"
    " notificationwebhookmapping",
    "authentik_flows": "stage",
    "authentik_lifecycle": "lifecycleiteration lifecyclerule review useroffboarding",
    "authentik_outposts": "dockerserviceconnection kubernetesserviceconnection outpost"
    " outpostserviceconnection",
    "authentik_policies": "policy policybindingmodel",
    "authentik_policies_reputation": "reputation",
    "authentik_providers_google_workspace": "googleworkspaceprovider"
    " googleworkspaceprovidergroup googleworkspaceprovidermapping googleworkspaceprovideruser",
    "authentik_providers_ldap": "ldapprovider",
    "authentik_providers_microsoft_entra": "microsoftentraprovider microsoftentraprovidergroup"
    " microsoftentraprovidermapping microsoftentraprovideruser",
    "authentik_providers_oauth2": "accesstoken authorizationcode devicetoken"
    " oauth2dynamicclientregistration oauth2provider refreshtoken scopemapping",
    "authentik_providers_proxy": "proxyprovider",
    "authentik_providers_rac": "connectiontoken endpoint racpropertymapping racprovider",
    "authentik_providers_radius": "radiusprovider radiusproviderpropertymapping",
    "authentik_providers_saml": "samlpropertymapping samlprovider",
    "authentik_providers_scim": "scimmapping scimprovider scimprovidergroup scimprovideruser",
    "authentik_providers_ssf": "ssfprovider",
    "authentik_providers_ws_federation": "wsfederationprovider",
    "authentik_rbac": "initialpermissions role",
    "authentik_reports": "dataexport",
    "authentik_requests": "grantrequest requestrule requestrulebinding requestrulechildbinding",
    "authentik_sources_kerberos": "groupkerberossourceconnection kerberossource"
    " kerberossourcepropertymapping userkerberossourceconnection",
    "authentik_sources_ldap": "groupldapsourceconnection ldappropertymapping ldapsource"
    " ldapsourcepropertymapping userldapsourceconnection",
    "authentik_sources_oauth": "groupoauthsourceconnection oauthsource oauthsourcepropertymapping"
    " useroauthsourceconnection",
    "authentik_sources_plex": "groupplexsourceconnection plexsource plexsourceconnection"
    " plexsourcepropertymapping userplexsourceconnection",
    "authentik_sources_saml": "groupsamlsourceconnection samlsource samlsourcepropertymapping"
    " usersamlsourceconnection",
    "authentik_sources_scim": "scimsource scimsourcegroup scimsourcepropertymapping scimsourceuser",
    "authentik_sources_telegram": "grouptelegramsourceconnection telegramsource"
    " telegramsourcepropertymapping usertelegramsourceconnection",
    "authentik_stages_authenticator_duo": "duodevice",
    "authentik_stages_authenticator_email": "emaildevice",
    "authentik_stages_authenticator_endpoint_gdtc": "endpointdevice",
    "authentik_stages_authenticator_sms": "smsdevice",
    "authentik_stages_authenticator_static": "staticdevice statictoken",
    "authentik_stages_authenticator_totp": "totpdevice",
    "authentik_stages_authenticator_webauthn": "webauthndevice webauthndevicetype",
    "authentik_stages_consent": "userconsent",
    "authentik_stages_invitation": "invitation",
    "authentik_tasks_schedules": "schedule",
    "authentik_tenants": "domain tenant",
}


@cache
def list_models() -> tuple[str, ...]:
    """Return the names of all models, in order."""
    others = (f"{app}.{name}" for app, names in _OTHER_MODELS.items() for name in names.split())
    return tuple(sorted((*ATTRIBUTES, *others)))


def find_attributes(model: str) -> Attributes | None:
    """Return the attributes of a model by name, or None if they are not known."""
    return ATTRIBUTES.get(model)


def is_read_only(model: str, name: str) -> bool:
    """Return whether authentik ignores the attribute in a blueprint, since its API only returns it."""
    attribute = ATTRIBUTES.get(model, {}).get(name)
    return attribute is not None and attribute.type == AttributeType.READ_ONLY


def check_model(model: str) -> str | None:
    """Return a warning if the model looks like authentik's but is unknown, or else None.

    The warning completes a sentence that starts with the model.
    """
    if not is_authentik_namespace(model) or model in list_models():
        return None
    return f"is not a model of authentik.{_suggest(model, list_models())}"


def check_names(model: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the names that the model does not have, with a warning, if its attributes are known.

    The warnings complete a sentence that starts with the name.
    """
    attributes = ATTRIBUTES.get(model)
    if attributes is not None and not attributes.keys() >= set(names):
        for name in names:
            if name not in attributes and _first_part(name) not in attributes:
                warning = f"is not an attribute of {model}."
                yield name, warning + _suggest(name, tuple(attributes))


def is_authentik_namespace(model: str) -> bool:
    """Return whether a model's name has the prefix of authentik's own applications."""
    return model.startswith(NAMESPACE)


def find_suggestion(name: str, names: Sequence[str]) -> str | None:
    """Return the name that is nearest to a mistyped one, or None."""
    return _find_nearest(name, tuple(names)) if len(name) <= MAX_NAME_LENGTH else None


# An import can contain the same mistake many times.
@lru_cache(maxsize=1024)
def _find_nearest(name: str, names: tuple[str, ...]) -> str | None:
    return next(iter(get_close_matches(name, names, n=1, cutoff=0.7)), None)


def _first_part(name: str) -> str:
    """Return the attribute of a lookup such as `name__icontains`."""
    return name.partition("__")[0]


def _suggest(name: str, names: Sequence[str]) -> str:
    suggestion = find_suggestion(name, names)
    return f" Did you mean '{suggestion}'?" if suggestion else ""
