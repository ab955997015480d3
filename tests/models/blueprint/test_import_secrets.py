"""An import never stores or prints secrets."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.blueprints import BlueprintDatabase
from support.imports import INVALID, Store

# Each planted secret contains this word.
CANARY = "canary"
SECRET = {"$secret": True}
# The secret attributes by model: those that authentik's API only writes, and others.
SECRETS: Mapping[str, tuple[str, ...]] = {
    "authentik_stages_captcha.captchastage": ("private_key",),
    "authentik_stages_authenticator_duo.authenticatorduostage": (
        "client_secret",
        "admin_secret_key",
    ),
    "authentik_stages_authenticator_email.authenticatoremailstage": ("password",),
    "authentik_stages_authenticator_sms.authenticatorsmsstage": ("auth", "auth_password"),
    "authentik_stages_authenticator_endpoint_gdtc.authenticatorendpointgdtcstage": ("credentials",),
    "authentik_stages_email.emailstage": ("password",),
    # Models that no list contains: the names of the attributes decide.
    "authentik_stages_example.examplestage": (
        *("password", "smtp_password", "client_secret", "secret", "private_key", "api_key"),
        *("access_token", "bot_token", "credentials", "secret_access_key"),
    ),
    "authentik_policies_example.examplepolicy": ("password", "auth_token", "shared_secret"),
}
# Attributes of known models that are no secrets, although their names are similar.
HARMLESS: Mapping[str, Mapping[str, Any]] = {
    "authentik_stages_password.passwordstage": {"allow_show_password": True},
    "authentik_stages_identification.identificationstage": {
        "password_stage": None,
        "passwordless_flow": None,
    },
    "authentik_stages_email.emailstage": {"token_expiry": "minutes=30", "username": "mailer"},
    "authentik_stages_authenticator_static.authenticatorstaticstage": {"token_count": 6},
    "authentik_policies_password.passwordpolicy": {"password_field": "password"},
    "authentik_stages_captcha.captchastage": {"public_key": "shown"},
}
# The ways to write a secret. `{}` is its number.
FORMS = (
    "canary{}",
    "!Env CANARY_VARIABLE",
    "!Context [x{}, !Env CANARY_VARIABLE]",
    "!Context canary_of_the_file",
    "!Context canary_of_the_command",
    "!Format ['%s', !Env CANARY_VARIABLE]",
    "!If [true, canary{}, x]",
    "!File canary.txt",
)
EXAMPLE = "- {model: authentik_stages_example.examplestage, identifiers: {name: s}, "
CONTEXT = "context: {canary_of_the_file: canaryfile}\n"
OPTIONS = ("--context", "canary_of_the_command=canarycommand")


@pytest.fixture
def planted(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with secrets in the environment and in a file."""
    monkeypatch.setenv("CANARY_VARIABLE", "canaryvariable")
    (store.folder / "canary.txt").write_text("canaryfile")
    return store


def write_entries(form: str) -> str:
    """Return entries with secrets in all places."""
    return "".join(_list_entries(form)).replace("{}", "1")


def _list_entries(form: str) -> Iterator[str]:
    for model, names in SECRETS.items():
        attrs = ", ".join(f"{name}: {form}" for name in names)
        yield f"- {{model: {model}, identifiers: {{name: {model}}}, attrs: {{{attrs}}}}}\n"
    for model, value in (
        ("authentik_stages_nested.nestedstage", f"{{smtp: {{host: h, password: {form}}}}}"),
        ("authentik_policies_nested.nestedpolicy", f"[{{api_key: {form}}}, {{a: {{token: {form}}}}}]"),
    ):  # fmt: skip
        yield f"- {{model: {model}, identifiers: {{name: {model}}}, attrs: {{options: {value}}}}}\n"
    yield f"- {{model: authentik_core.user, identifiers: {{username: u}}, attrs: {{password: {form}}}}}\n"
    yield f"- {{model: authentik_core.token, identifiers: {{identifier: t}}, attrs: {{key: {form}}}}}\n"


def check_nothing_leaked(store: Store, *outputs: str) -> None:
    """Check that no planted secret is in the files of the database, nor in outputs."""
    path = Path(store.database.url.removeprefix("sqlite:///"))
    for file in path.parent.glob(f"{path.name}*"):
        assert CANARY.encode() not in file.read_bytes(), file
    for output in outputs:
        # The names of options and files may be printed.
        for name in ("canary_of_the_file", "canary_of_the_command", "canary.txt"):
            output = output.replace(name, "")  # noqa: PLW2901
        assert CANARY not in output.lower().replace("canary_variable", ""), output


@pytest.mark.parametrize("form", FORMS)
def test_secrets_are_replaced(planted: Store, form: str) -> None:
    """The settings say that there is a secret; neither files nor messages contain it."""
    document = f"{CONTEXT}entries:\n{write_entries(form)}"
    dry = planted.run(*planted.write(document), *OPTIONS, "--dry-run")
    done = planted.run(*planted.write(document), *OPTIONS)
    assert (dry.returncode, done.returncode) == (0, 0), done
    check_nothing_leaked(planted, dry.stdout, dry.stderr, done.stdout, done.stderr)
    content = planted.read()
    rows = {**content.stages, **content.policies}
    for model, names in SECRETS.items():
        assert rows[model]["settings"] == dict.fromkeys(names, SECRET), model
    nested = {"options": {"smtp": {"host": "h", "password": SECRET}}}
    assert rows["authentik_stages_nested.nestedstage"]["settings"] == nested
    nested = {"options": [{"api_key": SECRET}, {"a": {"token": SECRET}}]}
    assert rows["authentik_policies_nested.nestedpolicy"]["settings"] == nested


def test_changed_secrets_are_not_printed(planted: Store) -> None:
    """A second import with other secrets changes nothing, as they are not stored."""
    planted.load(write_entries("canary{}"))
    paths = planted.write(write_entries("canary{}").replace("canary1", "canary2"))
    dry = planted.run(*paths, "--dry-run")
    done = planted.run(*paths)
    check_nothing_leaked(planted, dry.stdout, dry.stderr, done.stdout, done.stderr)
    assert "0 created, 0 updated" in done.stderr


def test_secrets_are_not_stored_in_postgresql(
    new_database: Callable[[], BlueprintDatabase], planted: Store
) -> None:
    """No table of any database contains them."""
    other = Store(new_database(), planted.folder)
    other.load(write_entries("canary{}"))
    assert CANARY not in str(other.database.dump())


def test_similar_names_are_not_secrets(store: Store) -> None:
    """Known attributes of known models are decided by a list."""
    store.load(
        "".join(
            f"- {{model: {model}, identifiers: {{name: {model}}}, attrs: {write_flow(attrs)}}}\n"
            for model, attrs in HARMLESS.items()
        )
    )
    content = store.read()
    rows = {**content.stages, **content.policies}
    assert {model: rows[model]["settings"] for model in HARMLESS} == HARMLESS


def write_flow(attrs: Mapping[str, Any]) -> str:
    """Return a flat mapping in YAML's flow style."""
    values = {None: "null", True: "true"}
    members = ", ".join(f"{name}: {values.get(v, v)}" for name, v in attrs.items())
    return f"{{{members}}}"


def test_typos_of_secret_attributes_are_secrets(store: Store) -> None:
    """An unknown attribute whose nearest known name is secret is not stored either."""
    store.load(
        "- {model: authentik_stages_email.emailstage, identifiers: {name: a}, attrs: {pasword: canary1}}\n"
        "- {model: authentik_stages_captcha.captchastage, identifiers: {name: b},"
        " attrs: {privat_key: canary1, privateKey: canary1}}\n"
    )
    check_nothing_leaked(store)
    assert store.read().stages["a"]["settings"] == {"pasword": SECRET}


# Conditions that name objects by their secrets.
SECRET_FINDS = (
    "[authentik_core.token, [key, canary1]]",
    "[authentik_crypto.certificatekeypair, [key_data, canary1]]",
    "[authentik_sources_ldap.ldapsource, [bind_password, !Env CANARY_VARIABLE]]",
    "[authentik_stages_email.emailstage, [password, canary1]]",
    "[example.thing, [api_key__startswith, canary1]]",
)


@pytest.mark.parametrize("find", SECRET_FINDS)
def test_references_do_not_contain_secrets(planted: Store, find: str) -> None:
    """A reference to an object that only authentik has is stored without secrets."""
    planted.load(f"{EXAMPLE}attrs: {{other: !Find {find}}}}}\n")
    check_nothing_leaked(planted)


def test_references_to_entries_do_not_contain_secrets(planted: Store) -> None:
    """`!KeyOf` an object that FlowQL does not store has its identifiers without secrets."""
    planted.load(
        "- {model: authentik_core.token, id: t,"
        " identifiers: {identifier: i, key: canary1, owner: {password: canary1}}}\n"
        f"{EXAMPLE}attrs: {{owner: !KeyOf t, owners: [!KeyOf t]}}}}\n"
    )
    check_nothing_leaked(planted)
    conditions = [["identifier", "i"], ["key", SECRET], ["owner", {"password": SECRET}]]
    find = {"$find": ["authentik_core.token", *conditions]}
    assert planted.read().stages["s"]["settings"] == {"owner": find, "owners": [find]}


def test_secrets_do_not_identify(planted: Store) -> None:
    """A second import finds the object, since secret identifiers are not compared."""
    stage = (
        "- {model: authentik_stages_captcha.captchastage,"
        " identifiers: {name: c, private_key: !Env CANARY_VARIABLE}}\n"
    )
    planted.load(stage)
    [report] = planted.load(stage)
    assert report.startswith("0 created, 0 updated, 1 unchanged")
    check_nothing_leaked(planted)
    assert planted.read().stages["c"]["settings"] == {"private_key": SECRET}


def test_absent_secrets_stay_absent(store: Store) -> None:
    """Null and an empty string are no secrets."""
    store.load(
        "- {model: authentik_stages_email.emailstage, identifiers: {name: a}, attrs: {password: ''}}\n"
        "- {model: authentik_stages_example.examplestage, identifiers: {name: b},"
        " attrs: {api_key: null}}\n"
    )
    stages = store.read().stages
    assert stages["a"]["settings"] == {"password": ""}
    assert stages["b"]["settings"] == {"api_key": None}


# Entries with an error whose value is secret, or stands in a place that is.
LEAKS = (
    "- {model: authentik_flows.flow, identifiers: {slug: x}, attrs: {name: x, title: x, designation: !Env CANARY_VARIABLE}}\n",
    "- {model: authentik_flows.flow, identifiers: {slug: !Format ['%s /', !Env CANARY_VARIABLE]}}\n",
    "- {model: authentik_stages_captcha.captchastage, identifiers: {name: !KeyOf nobody}, attrs: {private_key: canary1}}\n",
    "- {model: authentik_stages_captcha.captchastage, state: !Env CANARY_VARIABLE, identifiers: {name: c}}\n",
    "- {model: authentik_stages_dummy.dummystage, identifiers: {name: c}, attrs: {throw_error: !File canary.txt}}\n",
    "- {model: authentik_stages_dummy.dummystage, identifiers: {name: c}, attrs: {throw_error: !Context canary_of_the_command}}\n",
    "- {model: authentik_stages_dummy.dummystage, identifiers: {name: c}, attrs: {throw_error: !AtIndex [[1], !Env CANARY_VARIABLE]}}\n",
    "- {model: authentik_stages_dummy.dummystage, identifiers: {name: c}, attrs: {throw_error: !Format ['%d', !Env CANARY_VARIABLE]}}\n",
    "- {model: authentik_policies.policybinding, identifiers: {target: !Env CANARY_VARIABLE, order: 0}}\n",
    "- {model: authentik_stages_prompt.prompt, identifiers: {name: c}, attrs: {order: !Env CANARY_VARIABLE}}\n",
    "- {model: authentik_flows.flow, identifiers: {slug: !Find [authentik_flows.flow, [!Env CANARY_VARIABLE, x]]}}\n",
    "- {model: authentik_flows.flow, identifiers: {pk: !Env CANARY_VARIABLE}}\n",
)  # fmt: skip


def test_errors_do_not_contain_secrets(planted: Store) -> None:
    """Errors name fields and places, but quote no value of a tag or of a secret attribute."""
    process = planted.run(*planted.write("".join(LEAKS)), *OPTIONS)
    assert process.returncode == INVALID
    check_nothing_leaked(planted, process.stdout, process.stderr)
    for line in range(3, 3 + len(LEAKS)):
        assert f"1.yaml:{line}:" in process.stderr, LEAKS[line - 3]
