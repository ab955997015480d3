"""Secrets are recognized by authentik's list of attributes and by names."""

import json
from typing import Any

import pytest

from models.authentik.attributes import ATTRIBUTES
from models.authentik.secrets import SECRET, is_secret, is_secret_name, mask

EMAIL_STAGE = "authentik_stages_email.emailstage"
SECRET_NAMES = """
    secret my_secret secret_value client_secret secretKey shared-secret the_secret_of_all
    password Password PASSWORD smtp_password password_hash passwords db.password userpassword passwd
    pwd root_pwd passphrase token access_token accessToken token_value bot_token tokens
    private_key privateKey private-key PRIVATE_KEY_PEM api_key apikey API_KEY apiKey2 api_keys
    credential credentials credentials_json service_account_key ssh_key signing_key encryption_key
    access_key license_key session_key auth_key keytab spnego_ccache kubeconfig Authorization bearer
    pin device_pin psk admin_secret_key pass smtp_pass
"""
OTHER_NAMES = """
    name title host username public_key field_key auth auth_type authentication mapping
    allow_show_password show_password has_token passwordless_flow passwordless token_expiry
    tokenExpiry password_field password_stage password_stage_id token_count token_length
    password_policy password_policies token_url token_type token_endpoint access_key_id
    client_secret_id secret_name password_change_date_field password_min_length max_password_age
    num_password_days access_token_validity refresh_token_threshold spinner opinion pinned keyboard
    monkey primary_key pass_through compass bypass
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_names_of_secrets_are_recognized(name: str) -> None:
    """Any separator and case will do."""
    assert is_secret_name(name)


@pytest.mark.parametrize("name", OTHER_NAMES.split())
def test_names_that_only_describe_secrets_are_not_secret(name: str) -> None:
    """Their values are lengths, times, names and references."""
    assert not is_secret_name(name)


def test_the_secret_attributes_of_stages_and_policies_are_listed() -> None:
    """The list decides on known attributes, and each was considered."""
    found = {
        f"{model.partition('.')[2]} {name}"
        for model, attributes in ATTRIBUTES.items()
        for name in attributes
        if is_secret(model, name)
    }

    assert found == {
        "authenticatorduostage admin_secret_key",
        "authenticatorduostage client_secret",
        "authenticatoremailstage password",
        "authenticatorendpointgdtcstage credentials",
        "authenticatorsmsstage auth",
        "authenticatorsmsstage auth_password",
        "captchastage private_key",
        "emailstage password",
        "user password",
        "user password_hash",
    }


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (EMAIL_STAGE, "client_secret"),
        ("authentik_stages_new.newstage", "api_key"),
        ("example.model", "password"),
    ],
)
def test_names_decide_on_unknown_attributes(model: str, name: str) -> None:
    """A new version of authentik can have them."""
    assert mask(model, name, "x") == SECRET


@pytest.mark.parametrize("value", ["x", " ", 0, 1234, 1.5, ["x"], {"a": "b"}, [], {}, object()])
def test_a_secret_of_any_type_is_masked(value: Any) -> None:
    """Numbers can be secrets too."""
    assert mask(EMAIL_STAGE, "password", value) == SECRET


@pytest.mark.parametrize("value", [None, "", True, False])
def test_values_without_a_secret_stay(value: Any) -> None:
    """They show whether there is one."""
    assert mask(EMAIL_STAGE, "password", value) is value


def test_secrets_within_values_are_masked() -> None:
    """The names of all keys count, at any depth, and the given value does not change."""
    value = {
        "user": "ann",
        "password": "x",
        "nested": [{"api_key": "y", "token_count": 2}, [{"deep": {"clientSecret": "z"}}]],
        "credentials": {"user": "ann"},
        "token": None,
        "use_token": True,
    }
    text = json.dumps(value)

    assert mask("authentik_core.group", "attributes", value) == {
        "user": "ann",
        "password": SECRET,
        "nested": [{"api_key": SECRET, "token_count": 2}, [{"deep": {"clientSecret": SECRET}}]],
        "credentials": SECRET,
        "token": None,
        "use_token": True,
    }
    assert json.dumps(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE",
        "text before\r\n-----BEGIN EC PRIVATE KEY-----\r\nMHcC",
        r'{"key": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl"}',
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQVYBF",
    ],
)
def test_private_keys_are_masked(value: str) -> None:
    """Their names do not matter."""
    assert mask(EMAIL_STAGE, "subject", value) == SECRET
    assert mask("example.model", "x", {"cert_pem": [value], "y": 1}) == {
        "cert_pem": [SECRET],
        "y": 1,
    }


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN CERTIFICATE-----\nMIIC",
        "-----BEGIN PUBLIC KEY-----\nMIIB",
        'return "-----BEGIN PRIVATE KEY-----" in request.context["prompt_data"]["key"]',
    ],
)
def test_other_values_of_pem_are_not_masked(value: str) -> None:
    """Neither are certificates and public keys, nor an expression that looks for a private key."""
    assert mask("authentik_policies_expression.expressionpolicy", "expression", value) == value


def test_masked_values_stay() -> None:
    """A second import of an exported blueprint changes nothing."""
    masked = {"password": dict(SECRET), "list": [dict(SECRET)]}

    assert mask(EMAIL_STAGE, "unknown", masked) == masked
    assert mask(EMAIL_STAGE, "password", dict(SECRET)) == SECRET


def test_a_masked_value_is_json() -> None:
    """It is stored as such."""
    assert json.dumps(mask(EMAIL_STAGE, "password", "x")) == '{"$secret": true}'


def test_other_values_are_not_copied() -> None:
    """A value without keys is returned itself."""
    value = object()

    assert mask(EMAIL_STAGE, "host", value) is value
