"""Settings, read from options of the command line, the environment and `.env`, in this order."""

import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from ipaddress import ip_network
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gql.generations import GENERATIONS, find_generation
from gql.limits import DEFAULTS, Limits
from models import limits as pool
from models.errors import OperatorError, SyncError
from models.sync.source import ApiSource

PREFIX = "FLOWQL_"
FILE_SUFFIX = "_FILE"
ENV_FILE = Path(".env")
LOOPBACK_HOST = "127.0.0.1"
MAX_PORT = 65535
# Browsers send a scheme, a host, and a port unless it is the scheme's default port.
ORIGIN = re.compile(
    r"(?!https:.*:443$|http:.*:80$)[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?"
)
# Only characters that a URL needs no escapes for, and no dot segments, which browsers resolve.
ROOT_PATH = re.compile(r"/|(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")
# The variable of the token for `flowql sync`.
AUTHENTIK_TOKEN = f"{PREFIX}AUTHENTIK_TOKEN"
UNIT_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
# A number is in seconds.
MIN_DURATION, MAX_DURATION = timedelta(seconds=1), timedelta(days=30)
DURATION = re.compile(r"(?=.)(\d{1,6}d)?(\d{1,6}h)?(\d{1,6}m)?(\d{1,8}s?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Option:
    """The command-line option of a setting, named after its variable if `name` is empty.

    A secret can also be read from a file, which the variable with the suffix `_FILE` names, and with
    `has_file` an option.
    """

    name: str = ""
    group: str = ""
    is_secret: bool = False
    has_file: bool = False

    @property
    def file_name(self) -> str:
        """The option that names the file of a secret."""
        return f"{self.name}-file"


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """A setting as the command line and the README describe it.

    `field` is the attribute of Settings. `default` and `description` are Markdown.
    """

    field: str
    variable: str
    option: Option
    default: str
    description: str
    annotation: Any

    @property
    def variables(self) -> str:
        """The variables in Markdown."""
        suffixes = ("", FILE_SUFFIX) if self.option.is_secret else ("",)
        return ", ".join(f"`{self.variable}{suffix}`" for suffix in suffixes)

    @property
    def option_names(self) -> str:
        """The option in Markdown, with its negative form for a boolean, and that of its file."""
        negative = f", `--no-{self.option.name[2:]}`" if self.annotation is bool else ""
        file = f", `{self.option.file_name}`" if self.option.has_file else ""
        return f"`{self.option.name}`{negative}{file}"


class SettingsError(OperatorError):
    """A setting has an invalid value, or its file or `.env` cannot be read."""


def _parse_origins(value: Any) -> Any:
    joined = value if isinstance(value, str) else ",".join(value)
    origins = [origin.strip().lower() for origin in joined.split(",")]
    for origin in filter(None, origins):
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise ValueError(f"invalid origin {origin!r}: expected https://app.example, or *")
    return tuple(filter(None, origins))


def _normalize_root_path(value: Any) -> Any:
    """Return the path with a leading slash and no trailing one, or an empty string for the root."""
    path = f"/{value.strip('/')}" if isinstance(value, str) else value
    if isinstance(path, str) and not ROOT_PATH.fullmatch(path):
        raise ValueError(f"invalid path {value!r}: expected a path such as /flows")
    return "" if path == "/" else path


def _check_version(value: str) -> str:
    find_generation(value)
    return value


def _parse_networks(value: Any) -> Any:
    joined = value if isinstance(value, str) else ",".join(value)
    networks = tuple(filter(None, (network.strip() for network in joined.split(","))))
    for network in networks:
        if network != "*":
            _check_network(network)
    return networks


def _check_network(network: str) -> None:
    try:
        ip_network(network)
    except ValueError as error:
        raise ValueError(f"invalid address: {error}") from None


def _none_if_empty(value: Any) -> Any:
    # Path("") is the working directory.
    return value or None


def _check_sync_url(value: str | None) -> str | None:
    try:
        if value:
            _ = ApiSource(value, "").display_url
    except SyncError as error:
        raise ValueError(str(error)) from None
    return value


def _parse_duration(value: Any) -> Any:
    """Return the duration in a string such as `5m`, `1h30m` or `90`, a number of seconds."""
    if not isinstance(value, str):
        return value
    parts = DURATION.fullmatch(value.strip())
    counts = zip(UNIT_SECONDS.values(), parts.groups() if parts else (), strict=bool(parts))
    seconds = sum(unit * int(count.rstrip("sSmMhHdD")) for unit, count in counts if count)
    if not MIN_DURATION <= timedelta(seconds=seconds) <= MAX_DURATION:
        raise ValueError(
            f"invalid duration {value!r}: expected one such as 30s, 5m or 1h, from 1s to 30d"
        )
    return timedelta(seconds=seconds)


class SecretFiles(PydanticBaseSettingsSource):
    """The secrets in files that variables name."""

    def __init__(
        self, settings_class: type[BaseSettings], variables: Mapping[str, str | None]
    ) -> None:
        super().__init__(settings_class)
        self._variables = variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        variable = _get_variable(field_name, field)
        path = self._get(f"{variable}{FILE_SUFFIX}")
        if path and self._get(variable):
            names = f"{_locate_variable(variable)} and {variable}{FILE_SUFFIX}"
            raise SettingsError(f"{names} are mutually exclusive")
        source = f"{variable}{FILE_SUFFIX}"
        value = read_secret(_locate_variable(source), Path(path)) if path else None
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        # Sources with precedence set the current state.
        names = (name for name in _find_secrets() if name not in self.current_state)
        values = {
            name: self.get_field_value(self.settings_cls.model_fields[name], name)[0]
            for name in names
        }
        return {name: value for name, value in values.items() if value is not None}

    def _get(self, variable: str) -> str | None:
        # pydantic ignores the case of variables.
        return self._variables.get(variable.lower())


GRAPHQL = Option(group="GraphQL")
SYNC = Option(group="Sync")
BASELINE = Option(group="Baseline")
SYNC_SECRET = Option(group="Sync", is_secret=True)
SYNC_TOKEN = Option(group="Sync", is_secret=True, has_file=True)
LIMITS = Option(group="Limits")
# The groups of settings that README.md leaves to the chapter about operations.
OPERATIONS = {LIMITS.group, SYNC.group, BASELINE.group}
Limit = Annotated[int, Field(ge=1), LIMITS]
# At most a day, which every timer can count.
Timeout = Annotated[float, Field(gt=0, le=86_400), LIMITS]
Duration = Annotated[timedelta, BeforeValidator(_parse_duration)]


class Settings(BaseSettings):
    """All settings. The command line reads them once and passes them on."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    # Not in the repr: the URL may contain a password.
    database_url: Annotated[str, Option("--database", is_secret=True)] = Field(
        default="sqlite:///flowql.db",
        repr=False,
        description="The database: `sqlite:///path`, or `postgresql://user@host/name` with libpq's"
        " parameters.",
    )
    # BaseModel has a method called schema.
    schema_name: str = Field(
        default="public",
        validation_alias=f"{PREFIX}SCHEMA",
        min_length=1,
        description="The PostgreSQL schema. Each tenant of authentik has its own.",
    )
    host: str = Field(default=LOOPBACK_HOST, description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=MAX_PORT, description="The port to listen on.")
    root_path: Annotated[str, BeforeValidator(_normalize_root_path)] = Field(
        default="",
        description="The path prefix under which a proxy serves FlowQL, such as `/flows`. The proxy"
        " may strip it or not.",
    )
    dialect: Annotated[str, AfterValidator(_check_version)] = Field(
        default=GENERATIONS[-1].name,
        description="The version of authentik, from 2024.2 on, whose REST API `/api/v3` implements.",
    )
    workers: int = Field(default=1, ge=1, description="The number of worker processes.")
    access_log: bool = Field(default=False, description="Log every request.")
    access_log_queries: bool = Field(default=False, description="Include query strings in the log.")
    forwarded_allow_ips: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_networks)] = (
        Field(
            default=(LOOPBACK_HOST, "::1"),
            description="Addresses and networks of proxies whose `X-Forwarded-For` and"
            " `X-Forwarded-Proto` are trusted, separated by commas; `*` trusts all.",
        )
    )
    # Not infinite: a revoked token has to expire from the cache.
    viewer_ttl: float = Field(
        default=5,
        ge=0,
        allow_inf_nan=False,
        description="Seconds to cache a verified token where changes cannot be noticed; 0 disables the"
        " cache.",
    )
    # Not in the repr: the URL may contain a password.
    sync_url: Annotated[
        str | None, BeforeValidator(_none_if_empty), AfterValidator(_check_sync_url), SYNC_SECRET
    ] = Field(
        default=None,
        repr=False,
        description="The URL of a live authentik, whose API fills FlowQL's own database again and"
        " again. The server creates or upgrades the tables.",
    )
    sync_token: Annotated[str | None, BeforeValidator(_none_if_empty), SYNC_TOKEN] = Field(
        default=None,
        repr=False,
        description=f"The API token for authentik, which `{AUTHENTIK_TOKEN}` can also contain.",
    )
    sync_ca_file: Annotated[Path | None, BeforeValidator(_none_if_empty), SYNC] = Field(
        default=None, description="The certificates to trust for authentik instead of the system's."
    )
    sync_every: Annotated[Duration, SYNC] = Field(
        default=timedelta(minutes=5),
        description="The time between two rounds, such as `30s`, `5m` or `1h`.",
    )
    sync_delete: Annotated[bool, SYNC] = Field(
        default=True, description="Delete what is gone from authentik."
    )
    # Not in the repr: the URL may contain a password.
    baseline: Annotated[
        str | None,
        BeforeValidator(_none_if_empty),
        Option("--baseline", BASELINE.group, is_secret=True),
    ] = Field(
        default=None,
        repr=False,
        description="What the data is compared with: a file or a folder of blueprints, which is read"
        " again after changes, or the URL of a live authentik or of a database.",
    )
    baseline_token: Annotated[
        str | None,
        BeforeValidator(_none_if_empty),
        Option("--baseline-token", BASELINE.group, is_secret=True, has_file=True),
    ] = Field(
        default=None, repr=False, description="The API token for the authentik of the baseline."
    )
    baseline_ca_file: Annotated[Path | None, BeforeValidator(_none_if_empty), BASELINE] = Field(
        default=None,
        description="The certificates to trust for the authentik of the baseline instead of the"
        " system's.",
    )
    baseline_every: Annotated[
        Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=30)), BASELINE
    ] = Field(
        default=timedelta(minutes=5),
        description="The time after which a baseline at a URL is read again.",
    )
    cors_origins: Annotated[
        tuple[str, ...],
        NoDecode,
        BeforeValidator(_parse_origins),
        Option("--cors-origin", GRAPHQL.group),
    ] = Field(
        default=(),
        description="Origins whose pages may send requests (CORS), separated by commas, such as"
        " `https://app.example`; `*` allows all.",
    )
    trusted_documents: Annotated[Path | None, BeforeValidator(_none_if_empty), GRAPHQL] = Field(
        default=None,
        description="The documents (`*.graphql`) and manifests (`*.json`) that clients can execute by"
        " ID: a folder or a file.",
    )
    trusted_only: Annotated[bool, GRAPHQL] = Field(
        default=False, description="Reject all documents except the trusted ones with 403."
    )
    introspection: Annotated[bool, GRAPHQL] = Field(
        default=True, description="Allow introspection, and serve `/schema.graphql`."
    )
    suggestions: Annotated[bool, GRAPHQL] = Field(
        default=True, description="Suggest names from the schema in validation errors."
    )
    graphiql: Annotated[bool, GRAPHQL] = Field(
        default=True, description="Serve GraphiQL to browsers."
    )
    max_body: Limit = Field(
        default=DEFAULTS.body, description="Maximum size of a request body in bytes."
    )
    max_tokens: Limit = Field(
        default=DEFAULTS.tokens, description="Maximum number of tokens in a document."
    )
    max_depth: Limit = Field(
        default=DEFAULTS.depth,
        description="Maximum depth of nested fields, and of nested input objects.",
    )
    max_aliases: Limit = Field(
        default=DEFAULTS.aliases, description="Maximum number of aliases in an operation."
    )
    max_directives: Limit = Field(
        default=DEFAULTS.directives, description="Maximum number of directives in an operation."
    )
    max_root_fields: Limit = Field(
        default=DEFAULTS.root_fields, description="Maximum number of root fields in an operation."
    )
    max_cost: Limit = Field(
        default=DEFAULTS.cost,
        description="Maximum cost of an operation: the number of its fields and of the terms of"
        " their searches, each counted as often as the response can contain it.",
    )
    max_introspection_cost: Limit = Field(
        default=DEFAULTS.introspection_cost,
        description="Maximum cost of introspection in an operation. With introspection on, it has"
        " to admit the introspection query of GraphQL tools.",
    )
    max_seconds: Annotated[float, LIMITS] = Field(
        default=DEFAULTS.seconds,
        ge=1,
        allow_inf_nan=False,
        description="Maximum execution time of an operation in seconds.",
    )
    max_conditions: Limit = Field(
        default=DEFAULTS.conditions,
        description="Maximum number of input objects in an operation and its variables, such as"
        " the conditions of `where`.",
    )
    max_objects: Limit = Field(
        default=DEFAULTS.objects,
        description="Maximum number of objects in the lists of a response; 100 characters of a"
        " diagram count as one.",
    )
    pool_size: Limit = Field(
        default=pool.DEFAULTS.size,
        description="Maximum number of connections of a worker to PostgreSQL, besides one for health"
        " checks and one for versions of the data; with SQLite, of threads.",
    )
    pool_queue: Limit = Field(
        default=pool.DEFAULTS.queue,
        description="Maximum number of reads that wait for a connection; a tenth of it is for"
        " expensive operations.",
    )
    pool_timeout: Timeout = Field(
        default=pool.DEFAULTS.queue_seconds, description="Seconds to wait for a connection."
    )
    statement_timeout: Timeout = Field(
        default=pool.DEFAULTS.statement_seconds,
        description="Seconds after which PostgreSQL cancels a statement.",
    )
    read_timeout: Timeout = Field(
        default=pool.DEFAULTS.read_seconds,
        description="Seconds for the database to respond; then FlowQL closes the connection.",
    )
    reuse_bytes: Annotated[int, Field(ge=0), LIMITS] = Field(
        default=64_000_000,
        description="Maximum size in bytes of the responses that a worker keeps, to use them again"
        " while the data is provably the same; 0 turns this off.",
    )
    max_search_terms: Limit = Field(
        default=DEFAULTS.search_terms, description="Maximum number of terms of a search."
    )
    max_search_length: Limit = Field(
        default=DEFAULTS.search_length, description="Maximum length of a search in characters."
    )
    max_connections: Annotated[int | None, Field(ge=1), LIMITS] = Field(
        default=None,
        description="Maximum number of connections of a worker. The default, and the upper bound, is"
        " `ulimit -n` minus 100.",
    )
    header_timeout: Timeout = Field(
        default=10, description="Seconds for the headers of a request to arrive."
    )
    body_timeout: Timeout = Field(
        default=30, description="Seconds for the body of a request to arrive."
    )
    idle_timeout: Timeout = Field(
        default=5, description="Seconds to keep a connection without a request."
    )
    write_timeout: Timeout = Field(
        default=30, description="Seconds for a client to receive a response."
    )

    @field_validator("trusted_only")
    @classmethod
    def _require_trusted_documents(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if value and info.data.get("trusted_documents") is None:
            raise ValueError(f"requires --trusted-documents or {PREFIX}TRUSTED_DOCUMENTS")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings, by precedence."""
        sources = cast(Iterable[EnvSettingsSource], (env_settings, dotenv_settings))
        files = ((SecretFiles(settings_cls, source.env_vars), source) for source in sources)
        return init_settings, *chain.from_iterable(files)

    @property
    def pool_limits(self) -> pool.PoolLimits:
        """The limits of the reads of a worker."""
        return pool.PoolLimits(
            self.pool_size,
            self.pool_queue,
            self.pool_timeout,
            self.statement_timeout,
            self.read_timeout,
        )

    def build_sync_source(self) -> ApiSource | None:
        """Return the authentik to sync from, None without a URL. Raises SettingsError."""
        if not self.sync_url:
            return None
        token = self.sync_token or os.environ.get(AUTHENTIK_TOKEN)
        if not token:
            names = (name_setting("sync_url"), name_setting("sync_token"))
            raise SettingsError(f"{' requires '.join(names)}, or a file")
        return ApiSource(self.sync_url, token, self.sync_ca_file)

    @property
    def limits(self) -> Limits:
        """The limits of a request."""
        return Limits(
            **{limit.name: getattr(self, f"max_{limit.name}") for limit in fields(Limits)}
        )


def read_settings(**options: Any) -> Settings:
    """Read the settings; `options` that are not None take precedence. Raises SettingsError.

    Options of the files of secrets have the suffix `_file`.
    """
    set_options = _read_files({name: value for name, value in options.items() if value is not None})
    try:
        return Settings(**set_options)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(
            f"{_locate_value(str(first['loc'][0]), set_options)}: {reason}"
        ) from None
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"cannot read {ENV_FILE}: {error}") from None


def describe_settings() -> Iterator[SettingInfo]:
    """Yield the description of each setting, in the order of their declaration."""
    for name, field in Settings.model_fields.items():
        yield SettingInfo(
            name,
            _get_variable(name, field),
            _get_option(name, field),
            _render_default(field.default),
            field.description or "",
            field.annotation,
        )


def name_setting(field: str) -> str:
    """Return the option and the variable of a setting, for messages."""
    info = Settings.model_fields[field]
    return f"{_get_option(field, info).name} ({_get_variable(field, info)})"


def render_settings_table(*, limits: bool = False) -> str:
    """Render a Markdown table of settings, which documents contain.

    With `limits`, it has the limits and the settings of a sync and a baseline, otherwise all others.
    """
    rows: Sequence[Sequence[str]] = [
        ("variable", "option", "default", "what it does"),
        ("---", "---", "---", "---"),
        *(
            (setting.variables, setting.option_names, setting.default, setting.description)
            for setting in describe_settings()
            if (setting.option.group in OPERATIONS) == limits
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _get_variable(name: str, field: FieldInfo) -> str:
    return str(field.validation_alias or f"{PREFIX}{name.upper()}")


def _locate_value(location: str, options: Container[str]) -> str:
    """Return the option or the variable that sets a field, which pydantic reports by either name."""
    name, field = next(
        (name, field)
        for name, field in Settings.model_fields.items()
        if location in (name, _get_variable(name, field))
    )
    if name in options:
        return _get_option(name, field).name
    return _locate_variable(_get_variable(name, field))


def _locate_variable(variable: str) -> str:
    """Return the variable, with its line if it is set in `.env` and not in the environment."""
    # pydantic ignores the case of variables.
    names = (name for name in os.environ if name.upper() == variable)
    return next(names, None) or f"{ENV_FILE}:{_find_line(variable)}: {variable}"


def _find_line(variable: str) -> int:
    """Return the number of the last line of `.env` that sets a variable."""
    assignment = re.compile(rf"\s*(export\s+)?'?{variable}'?\s*(=|$)", re.IGNORECASE)
    with ENV_FILE.open(encoding="utf-8") as lines:
        return max(number for number, line in enumerate(lines, 1) if assignment.match(line))


def _find_secrets() -> list[str]:
    return [
        name for name, field in Settings.model_fields.items() if _get_option(name, field).is_secret
    ]


def _read_files(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with the secrets in place of their files."""
    values = dict(options)
    for name in _find_secrets():
        path = values.pop(f"{name}{FILE_SUFFIX.lower()}", None)
        option = _get_option(name, Settings.model_fields[name])
        if path and name in values:
            raise SettingsError(f"{option.name} and {option.file_name} are mutually exclusive")
        if path:
            values[name] = read_secret(option.file_name, path)
    return values


def read_secret(source: str, path: Path) -> str:
    """Read a file, which `source` names, without the line break at its end."""
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{source}: cannot read {path}: {reason}") from None


def _get_option(name: str, field: FieldInfo) -> Option:
    option = next((item for item in field.metadata if isinstance(item, Option)), Option())
    words = _get_variable(name, field).removeprefix(PREFIX).lower().replace("_", "-")
    return replace(option, name=option.name or f"--{words}")


def _render(value: Any) -> str:
    if isinstance(value, timedelta):
        return _render_duration(value)
    return ",".join(cast(tuple[str, ...], value)) if isinstance(value, tuple) else str(value)


def _render_duration(duration: timedelta) -> str:
    """Return a duration in the largest unit that has no remainder."""
    seconds = int(duration.total_seconds())
    unit = next(unit for unit, size in UNIT_SECONDS.items() if seconds % size == 0)
    return f"{seconds // UNIT_SECONDS[unit]}{unit}"


def _render_default(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{_render(value)}`" if value or value == 0 else "none"
