"""Settings come from options, the environment and `.env`, and are documented from one source."""

import pickle
from contextlib import chdir
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gql.limits import Limits
from gql.settings import (
    SettingInfo,
    Settings,
    SettingsError,
    describe_settings,
    read_settings,
    render_settings_table,
)
from support.command import run_failing_in_process, run_flowql
from support.paths import OPERATIONS, README

CHANGED = Settings(
    database_url="sqlite:///a b,c.db",
    schema_name="t_example",
    host="::1",
    port=1,
    root_path="/some/where",
    dialect="2025.10.3",
    workers=2,
    access_log=True,
    access_log_queries=True,
    forwarded_allow_ips=("10.0.0.0/8", "::1"),
    viewer_ttl=0.5,
    reuse_bytes=1_000_000,
    sync_url="https://authentik.example",
    sync_token="token",
    sync_ca_file=Path("/some/where/ca.pem"),
    sync_every=timedelta(hours=1),
    sync_delete=False,
    baseline="/some/where/else",
    baseline_token="token",
    baseline_ca_file=Path("/some/where/ca.pem"),
    baseline_every=timedelta(hours=1),
    cors_origins=("https://app.example", "http://localhost:3000"),
    trusted_documents=Path("/some/where, else"),
    trusted_only=True,
    introspection=False,
    suggestions=False,
    graphiql=False,
    max_connections=9,
    header_timeout=1,
    body_timeout=1,
    idle_timeout=1,
    write_timeout=1,
    pool_size=1,
    pool_queue=1,
    pool_timeout=1,
    statement_timeout=1,
    read_timeout=1,
    **{f"max_{limit.name}": number for number, limit in enumerate(fields(Limits), 1)},
)


def test_help_of_serve_describes_all_settings() -> None:
    """`flowql serve --help` lists every option with its description and default."""
    output = run_flowql("serve", "--help", env={"COLUMNS": "1000"}).stdout
    for setting in describe_settings():
        description = setting.description.replace("`", "")
        default = setting.default.replace("`", "")
        assert f" {setting.option.name} " in output
        assert f"{description} Default: {default}." in output


def test_defaults_of_limits_are_those_of_requests() -> None:
    """The help contains the limits that a request has without settings."""
    defaults = {setting.field: setting.default for setting in describe_settings()}
    for limit in fields(Limits):
        assert defaults[f"max_{limit.name}"] == f"`{limit.default}`"
    assert Settings.model_construct().limits == Limits()


@pytest.mark.parametrize(("document", "limits"), [(README, False), (OPERATIONS, True)])
def test_documents_contain_the_tables_of_settings(document: Path, *, limits: bool) -> None:
    """To update one, paste the output of render_settings_table() between the two comments."""
    table = document.read_text().partition("<!-- settings -->\n")[2]
    assert table.partition("<!-- /settings -->")[0].strip() == render_settings_table(limits=limits)


def test_tables_of_settings_contain_every_option_and_variable() -> None:
    """Each setting is one row; a boolean has two options."""
    rows = [row for limits in (False, True) for row in list_rows(limits=limits)]
    assert len(rows) == len(Settings.model_fields)
    for setting in describe_settings():
        file = f", `{setting.variable}_FILE`" if setting.option.is_secret else ""
        start = f"| `{setting.variable}`{file} | `{setting.option.name}`"
        [row] = [row for row in rows if row.startswith(start)]
        assert (f"`--no-{setting.option.name[2:]}`" in row) == (setting.annotation is bool)


def list_rows(*, limits: bool) -> list[str]:
    """Return the rows of a table without its head."""
    return render_settings_table(limits=limits).splitlines()[2:]


def test_every_setting_of_the_tests_is_changed() -> None:
    """CHANGED has no default value."""
    defaults = Settings()
    names = Settings.model_fields
    assert [name for name in names if getattr(CHANGED, name) == getattr(defaults, name)] == []


def test_workers_receive_the_settings_of_the_main_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings can be pickled, and a copy does not depend on the environment."""
    settings = (CHANGED, Settings())
    pickled = pickle.dumps(settings)
    monkeypatch.setenv("FLOWQL_PORT", "9")
    assert pickle.loads(pickled) == settings  # noqa: S301 - our own settings


def test_a_secret_can_be_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line break at the end of the file is not part of the value."""
    for content in ("sqlite:///secret.db", "sqlite:///secret.db\n", "sqlite:///secret.db\r\n"):
        (tmp_path / "url").write_bytes(content.encode())
        monkeypatch.setenv("FLOWQL_DATABASE_URL_FILE", str(tmp_path / "url"))
        assert read_settings().database_url == "sqlite:///secret.db"


def test_files_of_secrets_have_the_precedence_of_their_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option overrides a file in the environment, which overrides `.env`; so does a variable."""
    monkeypatch.chdir(tmp_path)
    for name in ("environment", "env-file"):
        (tmp_path / name).write_text(f"sqlite:///{name}.db")
    (tmp_path / ".env").write_text("FLOWQL_DATABASE_URL_FILE=env-file\n")
    assert read_settings().database_url == "sqlite:///env-file.db"
    monkeypatch.setenv("FLOWQL_DATABASE_URL", "sqlite:///variable.db")
    assert read_settings().database_url == "sqlite:///variable.db"
    monkeypatch.delenv("FLOWQL_DATABASE_URL")
    monkeypatch.setenv("FLOWQL_DATABASE_URL_FILE", "environment")
    assert read_settings().database_url == "sqlite:///environment.db"
    monkeypatch.setenv("FLOWQL_DATABASE_URL_FILE", "missing")
    assert read_settings(database_url="sqlite:///option.db").database_url == "sqlite:///option.db"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "No such file or directory"),
        (".", "Is a directory"),
        ("latin-1", "it is not UTF-8"),
    ],
)
def test_a_file_of_a_secret_that_cannot_be_read_is_an_error(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the variable and the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin-1").write_bytes(b"postgresql://\xff")
    monkeypatch.setenv("FLOWQL_DATABASE_URL_FILE", name)
    line = run_failing_in_process("serve")
    assert line == f"FLOWQL_DATABASE_URL_FILE: cannot read {name}: {reason}"


def test_a_secret_and_its_file_are_mutually_exclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names both variables."""
    monkeypatch.setenv("FLOWQL_DATABASE_URL", "sqlite:///a.db")
    monkeypatch.setenv("FLOWQL_DATABASE_URL_FILE", "b")
    line = run_failing_in_process("token", "list")
    assert line == "FLOWQL_DATABASE_URL and FLOWQL_DATABASE_URL_FILE are mutually exclusive"


def test_secrets_are_not_in_the_representation_of_settings() -> None:
    """A log that contains the settings contains no secret."""
    for setting in describe_settings():
        assert Settings.model_fields[setting.field].repr is not setting.option.is_secret


def test_env_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    """The error names `.env`."""
    (tmp_path / ".env").write_bytes(b"FLOWQL_PORT=\xff\n")
    with chdir(tmp_path):
        assert run_failing_in_process("serve").startswith("cannot read .env: ")


def test_invalid_value_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable, and does not contain its value."""
    monkeypatch.setenv("FLOWQL_PORT", "hidden")
    line = run_failing_in_process("serve")
    assert line.startswith("FLOWQL_PORT: ")
    assert "hidden" not in line


def test_invalid_address_of_a_proxy_is_an_error() -> None:
    """A host name is not looked up, and a network has no host bits."""
    for value in ("proxy.example", "10.0.0.1/8", "127.0.0.1,x"):
        line = run_failing_in_process("serve", "--forwarded-allow-ips", value)
        assert line.startswith("--forwarded-allow-ips: invalid address: ")


def test_invalid_value_in_the_env_file_is_an_error(tmp_path: Path) -> None:
    """`.env` is read like the environment, and unknown variables are ignored."""
    (tmp_path / ".env").write_text("FLOWQL_WORKERS=hidden\nUNRELATED=1\nFLOWQL_UNKNOWN=1\n")
    with chdir(tmp_path):
        assert run_failing_in_process("serve").startswith(".env:1: FLOWQL_WORKERS: ")


# A value that a setting rejects; others are valid with any string.
INVALID = {
    "schema_name": "",
    "root_path": "/..",
    "forwarded_allow_ips": "x",
    "cors_origins": "x",
    "dialect": "x",
    "sync_url": "x",
    "sync_every": "x",
    "baseline_every": "x",
    **{
        name: "-1"
        for name, field in Settings.model_fields.items()
        if cast(Any, field.annotation) in (int, float, bool, int | None)
    },
}


def test_settings_with_invalid_values_are_known() -> None:
    """All other settings are strings and paths that are checked when they are used."""
    strings = {"database_url", "host", "trusted_documents", "sync_token", "sync_ca_file"}
    strings |= {"baseline", "baseline_token", "baseline_ca_file"}
    assert Settings.model_fields.keys() - INVALID == strings


@pytest.mark.parametrize(
    "setting",
    [setting for setting in describe_settings() if setting.field in INVALID],
    ids=lambda setting: setting.field,
)
def test_errors_name_the_source_of_the_value(
    setting: SettingInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the option, or the variable, or the last line of `.env` that sets it."""
    monkeypatch.chdir(tmp_path)
    value = INVALID[setting.field]
    lines = [f"#{setting.variable}=1", "", f"{setting.variable}={value}", "FLOWQL_HOST=x"]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert read_error().startswith(f".env:3: {setting.variable}: ")
    (tmp_path / ".env").write_text(f"\r\n{lines[2]}\r\n export  '{setting.variable}' = '{value}'")
    assert read_error().startswith(f".env:3: {setting.variable}: ")
    monkeypatch.setenv(setting.variable, value)
    assert read_error().startswith(f"{setting.variable}: ")
    monkeypatch.delenv(setting.variable)
    monkeypatch.setenv(setting.variable.lower(), value)
    assert read_error().startswith(f"{setting.variable.lower()}: ")
    assert read_error(**{setting.field: value}).startswith(f"{setting.option.name}: ")


def read_error(**options: str) -> str:
    """Return the error of invalid settings."""
    with pytest.raises(SettingsError) as error:
        read_settings(**options)
    return str(error.value)


def test_errors_of_secrets_name_their_line_of_the_env_file(tmp_path: Path) -> None:
    """Files that cannot be read, and two values for one secret, are errors."""
    with chdir(tmp_path):
        (tmp_path / ".env").write_text("\nFLOWQL_DATABASE_URL_FILE=missing\n")
        reason = "cannot read missing: No such file or directory"
        assert read_error() == f".env:2: FLOWQL_DATABASE_URL_FILE: {reason}"
        (tmp_path / ".env").write_text("FLOWQL_DATABASE_URL_FILE=x\nFLOWQL_DATABASE_URL=y\n")
        assert read_error() == (
            ".env:2: FLOWQL_DATABASE_URL and FLOWQL_DATABASE_URL_FILE are mutually exclusive"
        )


def test_options_override_the_environment_which_overrides_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options, the environment and the file can set the database."""
    (tmp_path / ".env").write_text("FLOWQL_DATABASE_URL=sqlite:///file.db\n")
    monkeypatch.chdir(tmp_path)
    assert "database file.db not found" in run_failing_in_process("token", "list")
    monkeypatch.setenv("FLOWQL_DATABASE_URL", "sqlite:///environment.db")
    assert "database environment.db not found" in run_failing_in_process("token", "list")
    option = ["--database", "sqlite:///option.db"]
    assert "database option.db not found" in run_failing_in_process("token", "list", *option)


def build_token(**options: Any) -> str:
    """Return the token for a sync."""
    source = read_settings(sync_url="https://authentik.example", **options).build_sync_source()
    assert source is not None
    return source.token


def test_token_of_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from an option, a file or a variable, last from that of `flowql sync`."""
    monkeypatch.chdir(tmp_path)
    for name in ("option", "variable"):
        (tmp_path / name).write_text(f"of file of {name}\n")
    with pytest.raises(SettingsError) as error:
        build_token()
    assert str(error.value) == (
        "--sync-url (FLOWQL_SYNC_URL) requires --sync-token (FLOWQL_SYNC_TOKEN), or a file"
    )
    monkeypatch.setenv("FLOWQL_AUTHENTIK_TOKEN", "of flowql sync")
    assert build_token() == "of flowql sync"
    monkeypatch.setenv("FLOWQL_SYNC_TOKEN_FILE", "variable")
    assert build_token() == "of file of variable"
    assert build_token(sync_token_file=Path("option")) == "of file of option"
    monkeypatch.delenv("FLOWQL_SYNC_TOKEN_FILE")
    monkeypatch.setenv("FLOWQL_SYNC_TOKEN", "of variable")
    assert build_token() == "of variable"
    assert build_token(sync_token="of option") == "of option"


def test_source_of_a_sync_hides_its_secrets() -> None:
    """Its representation and that of the settings have no token and no user information."""
    options = {"sync_url": "https://someone:hidden@authentik.example/?hidden#hidden"}
    settings = read_settings(**options, sync_token="hidden")
    source = settings.build_sync_source()
    assert source is not None
    assert source.display_url == "https://authentik.example"
    assert "hidden" not in f"{settings!r} {source!r}"
    assert read_settings(sync_url="").build_sync_source() is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("1h30m", 5400), ("90", 90), ("90s", 90), ("1d", 86_400), (" 2H ", 7200)],
)
def test_durations(text: str, seconds: int) -> None:
    """A duration has units; a number is in seconds."""
    assert read_settings(sync_every=text).sync_every == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "m", "5x", "-1", "1.5h", "0", "31d", "5m1h", "9" * 20])
def test_invalid_durations(text: str) -> None:
    """They are below a second, above 30 days, or not durations."""
    assert read_error(sync_every=text) == (
        f"--sync-every: invalid duration {text!r}: expected one such as 30s, 5m or 1h, from 1s to"
        " 30d"
    )
