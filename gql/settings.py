"""What an operator can set: in the environment, in `.env`, or as options of the command line."""

from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import RefusedError

PREFIX = "FLOWQL_"


class SettingsError(RefusedError):
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
    workers: Annotated[int, Field(ge=1)] = 1
    access_log: bool = False
    # Seconds; not infinite, so that a revoked token stops.
    viewer_ttl: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5


def read_settings(**given: Any) -> Settings:
    """The settings, those given first; raises SettingsError that names a bad one."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        # A value in the environment is named in full, one that is given by its field.
        name = str(first["loc"][0]).removeprefix(PREFIX).removesuffix("_name").upper()
        raise SettingsError(f"{PREFIX}{name}: {first['msg']}") from None
    except (OSError, UnicodeError) as error:
        raise SettingsError(f".env cannot be read: {error}") from None
