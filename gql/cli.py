"""The command `flowql`.

What a command needs is imported where it runs, so that help is there at once.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter, validators
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gql.settings import Settings, read_settings
from models.errors import OperatorError

USAGE_ERROR = 2
DRIFTED = 1
PIPE_WIDTH = 10_000
FOREVER = timedelta(days=100 * 365)
SDL_FILE = Path("schema.graphql")

app = App(
    name="flowql",
    version=version("flowql"),
    help="authentik's flows over GraphQL, with the REST endpoint kept.\n\n"
    "Try `flowql demo` first. Every option can also be set in the environment or in a file"
    " `.env`, as `FLOWQL_DATABASE_URL`, `FLOWQL_PORT` and so on.",
    help_format="markdown",
)
tokens = App(name="token", help="Create, list and revoke the tokens of FlowQL's own database.")
app.command(tokens)
explorer = App(name="explorer", help="See to GraphiQL, which browsers are shown.")
app.command(explorer)

DatabaseOption = Annotated[
    str | None,
    Parameter(
        name="--database",
        help="`sqlite:///path` or `postgresql://user@host/name`; else `sqlite:///flowql.db`.",
    ),
]
SchemaOption = Annotated[
    str | None,
    Parameter(name="--schema", help="The PostgreSQL schema, a tenant of authentik; else `public`."),
]


GRAPHQL = Group("GraphQL")
LIMITS = Group("Limits", help="What a request may have or take; it is refused beyond.")


@Parameter(name="*", group=GRAPHQL)
@dataclass(frozen=True, kw_only=True)
class GraphQLOptions:
    """How GraphQL is answered, besides what there is to tell."""

    cors_origin: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            consume_multiple=False,
            help="A site whose pages may ask, as `https://app.example`, or `*`; several have commas"
            " between them; else none.",
        ),
    ] = None
    trusted_documents: Annotated[
        Path | None, Parameter(help="The folder of the documents that are known by their hashes.")
    ] = None
    trusted_only: Annotated[
        bool | None, Parameter(help="Refuse all documents but the trusted ones.")
    ] = None
    introspection: Annotated[
        bool | None, Parameter(help="Answer what the schema is; else yes.")
    ] = None
    suggestions: Annotated[
        bool | None, Parameter(help="Suggest names where one is wrong; else yes.")
    ] = None
    graphiql: Annotated[bool | None, Parameter(help="Show GraphiQL to browsers; else yes.")] = None

    def settings(self) -> Mapping[str, Any]:
        """What is given, by the names of the settings."""
        given = vars(self).copy()
        origins = given.pop("cors_origin")
        return {**given, "cors_origins": None if origins is None else ",".join(origins)}


@Parameter(name="*", group=LIMITS)
@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """What a request may cost, by the names of the settings."""

    max_body: Annotated[int | None, Parameter(help="Bytes; else 100000.")] = None
    max_tokens: Annotated[int | None, Parameter(help="Of a document; else 2000.")] = None
    max_depth: Annotated[int | None, Parameter(help="Of fields in fields; else 12.")] = None
    max_aliases: Annotated[int | None, Parameter(help="Else 30.")] = None
    max_directives: Annotated[int | None, Parameter(help="Else 50.")] = None
    max_root_fields: Annotated[int | None, Parameter(help="Else 20.")] = None
    max_cost: Annotated[
        int | None, Parameter(help="Fields, each as often as it may be told; else 10000.")
    ] = None
    max_seconds: Annotated[float | None, Parameter(help="Of execution; else 10.")] = None
    max_conditions: Annotated[int | None, Parameter(help="Of a filter; else 100.")] = None


@app.command
def serve(
    *,
    host: Annotated[str | None, Parameter(help="Where to listen; else `127.0.0.1`.")] = None,
    port: Annotated[int | None, Parameter(help="Where to listen; else `8000`.")] = None,
    root_path: Annotated[
        str | None,
        Parameter(help="The path that a proxy has FlowQL below, as `/flows`; else none."),
    ] = None,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
    workers: Annotated[int | None, Parameter(help="How many processes; else one.")] = None,
    access_log: Annotated[bool | None, Parameter(help="Log every request.")] = None,
    viewer_ttl: Annotated[
        float | None, Parameter(help="For how many seconds a token is believed; else 5.")
    ] = None,
    graphql: GraphQLOptions | None = None,
    limits: LimitOptions | None = None,
) -> None:
    """Serve GraphQL and REST from a database, which is only read."""
    from gql import server

    settings = read_settings(
        host=host,
        port=port,
        root_path=root_path,
        database_url=database,
        schema_name=schema,
        workers=workers,
        access_log=access_log,
        viewer_ttl=viewer_ttl,
        **(graphql.settings() if graphql else {}),
        **(vars(limits) if limits else {}),
    )
    with server.listen(settings.host, settings.port) as listening:
        url = server.url_of(listening)
        server.serve(settings, listening, lambda: _say(f"FlowQL listens on {url}"))


@app.command
def demo(
    *,
    port: Annotated[
        int,
        Parameter(
            help="Where to listen; the next free port if taken.",
            validator=validators.Number(gte=1, lte=65535),
        ),
    ] = 8000,
) -> None:
    """Serve authentik's sample flows from a fresh database, with a token to ask with."""
    from gql import demo as demonstration

    demonstration.run(port)


@app.command
def migrate(*, database: DatabaseOption = None, schema: SchemaOption = None) -> None:
    """Create FlowQL's own database, or upgrade it. authentik's is never touched."""
    from models.database import database as databases

    settings = _settings(database, schema)
    asyncio.run(databases.migrate(settings.database_url, settings.schema_name))
    _say("the database is up to date")


@app.command(name="import")
def import_(
    paths: Annotated[list[Path], Parameter(help="Blueprint files, and folders of them.")],
    /,
    *,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """Import flows from authentik's blueprint files: all of them, or none if one is bad."""
    from gql import administration

    report = asyncio.run(administration.import_blueprints(_settings(database, schema), paths))
    for line in report.left_out:
        _say(line)
    skipped = ", ".join(f"{count} {model}" for model, count in sorted(report.skipped.items()))
    _say(
        f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged,"
        f" {report.skipped.total()} skipped{f' ({skipped})' if skipped else ''}"
    )


@tokens.command(name="create")
def token_create(
    name: Annotated[str, Parameter(help="What to call it.")],
    /,
    *,
    superuser: Annotated[bool, Parameter(negative=(), help="It stands for a superuser.")] = False,
    flow: Annotated[
        list[str] | None,
        Parameter(
            negative=(), consume_multiple=1, help="It sees the flow of this slug; repeatable."
        ),
    ] = None,
    expires: Annotated[
        timedelta | None, Parameter(help="When it ends, as `30d` or `12h`; else never.")
    ] = None,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """Create a token and print its key, which is shown only this once.

    With neither --superuser nor --flow it sees all flows, and is no superuser.
    """
    from gql import administration
    from models.tokens import TokenScope

    if superuser and flow:
        raise OperatorError("--superuser and --flow exclude each other")
    if expires is not None and not timedelta() < expires < FOREVER:
        raise OperatorError("--expires is not in the future, or too far in it")
    rights = TokenScope(superuser=superuser, flow_slugs=tuple(flow or ()))
    settings = _settings(database, schema)
    key = asyncio.run(administration.create_token(settings, name, rights, expires))
    print(key)


@tokens.command(name="list")
def token_list(*, database: DatabaseOption = None, schema: SchemaOption = None) -> None:
    """List the tokens, what they see, and when they end."""
    from gql import administration

    table = Table("name", "sees", "expires", box=None, pad_edge=False)
    for token in asyncio.run(administration.list_tokens(_settings(database, schema))):
        seen = "all" if token.sees_all else ", ".join(token.flow_slugs) or "none"
        sees = "all, as superuser" if token.is_superuser else seen
        expires = f"{token.expires:%Y-%m-%d %H:%M} UTC" if token.expires else "never"
        table.add_row(Text(token.name), sees, expires)
    # A pipe has no width to wrap lines at.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


@tokens.command(name="revoke")
def token_revoke(
    name: Annotated[str, Parameter(help="What it is called.")],
    /,
    *,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """Make a token worthless."""
    from gql import administration

    asyncio.run(administration.revoke_token(_settings(database, schema), name))
    _say(f"the token {name} is revoked")


@explorer.command(name="install")
def explorer_install() -> None:
    """Fetch GraphiQL's files by npm, unless they are there; pip brings npm along where it is missing."""
    from gql.explorer import packages

    is_new = packages.install()
    _say(f"GraphiQL is {'now' if is_new else 'already'} in {packages.VENDOR}")


@app.command(name="schema")
def schema_(
    *,
    check: Annotated[
        bool, Parameter(negative=(), help="Say whether ./schema.graphql is this text.")
    ] = False,
) -> None:
    """Print the GraphQL schema in GraphQL's own language."""
    from gql import schema

    text = schema.print_schema(schema.build_schema())
    if not check:
        sys.stdout.write(text)
    elif not SDL_FILE.is_file() or SDL_FILE.read_text() != text:
        _say(f"{SDL_FILE} is outdated: run 'flowql schema > {SDL_FILE}'")
        sys.exit(DRIFTED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; what cannot be done is one line on standard error, and exit code 2."""
    try:
        app(
            sys.argv[1:] if arguments is None else arguments,
            exit_on_error=False,
            print_error=False,
        )
    except (OperatorError, CycloptsError) as error:
        _say(" ".join(str(error).split()))
        sys.exit(USAGE_ERROR)
    except KeyboardInterrupt:
        sys.exit(130)


def _settings(database: str | None, schema: str | None) -> Settings:
    return read_settings(database_url=database, schema_name=schema)


def _say(line: str) -> None:
    print(f"flowql: {line}", file=sys.stderr, flush=True)
