"""What an operator can set: in the environment, in `.env`, or as options of the command line."""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gql.limits import DEFAULTS, Limits
from models.errors import OperatorError

PREFIX = "FLOWQL_"
# As browsers send it: a scheme, a host, and a port if it is not the scheme's own.
ORIGIN = re.compile(
    r"(?!https:.*:443$|http:.*:80$)[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?"
)

# What needs no escape in an address, and no browser takes for a step to elsewhere.
ROOT = re.compile(r"/|(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")


def _parse_origins(given: Any) -> Any:
    """Origins from a text that has commas between them."""
    texts = given.split(",") if isinstance(given, str) else given
    found = [text.strip().lower() for text in texts]
    for origin in filter(None, found):
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin} is no origin, which is as https://app.example, or *")
    return tuple(filter(None, found))


def _normalize_root_path(given: Any) -> Any:
    """A path as it stands in front of others: with a slash before it and none behind, or empty."""
    path = f"/{given.strip('/')}" if isinstance(given, str) else given
    if isinstance(path, str) and not ROOT.fullmatch(path):
        raise ValueError(f"{given} is no path, which is as /flows")
    return "" if path == "/" else path


def _none_if_empty(given: Any) -> Any:
    """Nothing for an empty text, which would be the folder that one is in."""
    return given or None


Count = Annotated[int, Field(ge=1)]


class SettingsError(OperatorError):
    """A setting has a value that it cannot have."""


class Settings(BaseSettings):
    """All settings, read once by the command line and passed on from there."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    # Not in the repr: it may hold a password.
    database_url: Annotated[str, Field(repr=False)] = "sqlite:///flowql.db"
    # BaseModel has a method called schema.
    schema_name: Annotated[str, Field(validation_alias=f"{PREFIX}SCHEMA", min_length=1)] = "public"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    root_path: Annotated[str, BeforeValidator(_normalize_root_path)] = ""
    workers: Annotated[int, Field(ge=1)] = 1
    access_log: bool = False
    # Seconds; not infinite, so that a revoked token stops.
    viewer_ttl: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_origins)] = ()
    trusted_documents: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    trusted_only: bool = False
    introspection: bool = True
    suggestions: bool = True
    graphiql: bool = True
    max_body: Count = DEFAULTS.body
    max_tokens: Count = DEFAULTS.tokens
    max_depth: Count = DEFAULTS.depth
    max_aliases: Count = DEFAULTS.aliases
    max_directives: Count = DEFAULTS.directives
    max_root_fields: Count = DEFAULTS.root_fields
    max_cost: Count = DEFAULTS.cost
    max_seconds: Annotated[float, Field(ge=1, allow_inf_nan=False)] = DEFAULTS.seconds
    max_conditions: Count = DEFAULTS.conditions

    @field_validator("trusted_only")
    @classmethod
    def _trusts_something(cls, given: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's
        if given and info.data.get("trusted_documents") is None:
            raise ValueError(f"it needs {PREFIX}TRUSTED_DOCUMENTS, the folder that has them")
        return given

    @property
    def limits(self) -> Limits:
        """What a request may cost."""
        return Limits(**{one.name: getattr(self, f"max_{one.name}") for one in fields(Limits)})

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that other processes read the same settings from."""
        return {
            str(field.validation_alias or f"{PREFIX}{name.upper()}"): _render(value)
            for name, field in type(self).model_fields.items()
            if (value := getattr(self, name)) is not None
        }


def _render(value: Any) -> str:
    return ",".join(cast(tuple[str, ...], value)) if isinstance(value, tuple) else str(value)


def read_settings(**given: Any) -> Settings:
    """The settings, those given first; raises SettingsError that names a bad one."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        # A value in the environment is named in full, one that is given by its field.
        name = str(first["loc"][0]).removeprefix(PREFIX).removesuffix("_name").upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{PREFIX}{name}: {reason}") from None
    except (OSError, UnicodeError) as error:
        raise SettingsError(f".env cannot be read: {error}") from None
