"""The command `flowql`.

Commands import their modules when they run, which keeps `flowql --help` fast.
"""

import asyncio
import errno
import json
import logging
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.metadata import metadata
from inspect import Parameter as SignatureParameter
from inspect import Signature
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar, cast, get_origin

from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text
from setproctitle import setproctitle

from gql.settings import (
    AUTHENTIK_TOKEN,
    FILE_SUFFIX,
    SettingInfo,
    Settings,
    describe_settings,
    read_secret,
    read_settings,
)
from models.errors import BlueprintError, OperatorError
from models.sync.limits import DEFAULTS as SYNC_LIMITS

if TYPE_CHECKING:
    from models.sync.limits import ApiLimits
    from models.sync.options import MirrorReport
    from models.tokens import TokenScope, TokenSummary

DISTRIBUTION = metadata("flowql")
USAGE_ERROR = 2
OMITTED = 3
OUTDATED = 1
DIFFERENT = 1
BROKEN_PIPE = 1
INTERRUPTED = 130
SHOW_CURSOR = b"\x1b[?25h\n"
# The errors of an output that cannot be written, such as that of a full disk.
OUTPUT_ERRORS = (errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC)
PIPE_WIDTH = 10_000
MAX_LIFETIME = timedelta(days=100 * 365)
READING_ROLE = "flowql"
# PostgreSQL grants to all roles if a statement names `public`, with or without quotes.
PSEUDO_ROLES = {"public", "none"}
SDL_FILE = Path("schema.graphql")
MAX_CONCURRENCY = 64
# A password in the parameters of a URL, and one before its host, which may contain any character; all
# user information of a web address; a value of the context; a token.
SECRETS = (
    re.compile(r"(password=)[^&]*"),
    re.compile(r"(https?://).*(?=@)", re.IGNORECASE),
    re.compile(r"(://[^:]*:).*(?=@)"),
    re.compile(r"^(--context=[^=]*=).*", re.DOTALL),
    re.compile(r"^(--(?:sync[-_]|baseline[-_])?token=).*", re.DOTALL),
)
TOKEN_OPTIONS = ("--token", "--sync-token", "--baseline-token")
SETTINGS = {setting.field: setting for setting in describe_settings()}
GROUPS = {
    "GraphQL": Group("GraphQL"),
    "Sync": Group("Sync", help="The server can also mirror a live authentik by its API."),
    "Baseline": Group("Baseline", help="The server can show how its data differs from a baseline."),
    "Limits": Group("Limits", help="The server rejects a request that exceeds a limit."),
}

Command = TypeVar("Command", bound=Callable[..., None])

app = App(
    name="flowql",
    version=DISTRIBUTION["Version"],
    help=f"{DISTRIBUTION['Summary']}\n\n"
    "Try `flowql demo` first. Every option of `flowql serve` can also be set in the environment or"
    " in a file `.env`, as `FLOWQL_DATABASE_URL`, `FLOWQL_PORT` and so on.",
    help_format="markdown",
)
tokens = App(name="token", help="Create, list and revoke tokens in FlowQL's own database.")
app.command(tokens)
explorer = App(name="explorer", help="Install the files of GraphiQL.")
app.command(explorer)


def _build_option(setting: SettingInfo) -> Parameter:
    return Parameter(
        name=setting.option.name,
        group=GROUPS.get(setting.option.group, Group.create_default_parameters()),
        help=f"{setting.description} Default: {setting.default}.",
        negative_iterable=(),
        consume_multiple=False,
    )


def _build_file_keyword(setting: SettingInfo) -> SignatureParameter:
    """Return the parameter for the file of a secret."""
    help_ = f"The file that contains the value of `{setting.option.name}`."
    option = Parameter(
        name=setting.option.file_name, group=GROUPS[setting.option.group], help=help_
    )
    name = f"{setting.field}{FILE_SUFFIX.lower()}"
    annotation = Annotated[Path | None, option]
    return SignatureParameter(
        name, SignatureParameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _build_keyword(setting: SettingInfo) -> SignatureParameter:
    is_list = get_origin(setting.annotation) is tuple
    value: Any = list[str] if is_list else setting.annotation
    # The settings parse durations, as those in variables.
    value = str if value is timedelta else value
    annotation = Annotated[value | None, _build_option(setting)]
    return SignatureParameter(
        setting.field, SignatureParameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _add_option_per_setting(command: Command) -> Command:
    """Give the command one keyword parameter per setting, from which cyclopts makes options.

    The files of some secrets have another one.
    """
    files = [setting for setting in SETTINGS.values() if setting.option.has_file]
    keywords = [
        *(_build_keyword(setting) for setting in SETTINGS.values()),
        *(_build_file_keyword(setting) for setting in files),
    ]
    cast(Any, command).__signature__ = Signature(keywords)
    return command


DatabaseOption = Annotated[str | None, _build_option(SETTINGS["database_url"])]
SchemaOption = Annotated[str | None, _build_option(SETTINGS["schema_name"])]
HostOption = Annotated[str | None, _build_option(SETTINGS["host"])]
PortOption = Annotated[int | None, _build_option(SETTINGS["port"])]


@app.command
@_add_option_per_setting
def serve(**options: Any) -> None:
    """Serve GraphQL and REST from a database, without writing to it.

    With `--sync-url`, one more process writes to it: it mirrors a live authentik by its API.
    """
    from gql import server

    settings = read_settings(**options)
    with server.listen(settings.host, settings.port, settings.workers) as listener:
        url = server.build_url(listener)
        server.serve(settings, listener, lambda: _print_message(f"FlowQL listens on {url}"))


@app.command
def demo(*, host: HostOption = None, port: PortOption = None) -> None:
    """Serve authentik's sample flows from a temporary database, and print a token.

    If no port is set and 8000 is in use, the demo takes the next free port. On a loopback address,
    its pages are signed in; on others, they ask for the token.
    """
    from gql.demo import run as run_demo

    run_demo(host, port)


@app.command
def migrate(*, database: DatabaseOption = None, schema: SchemaOption = None) -> None:
    """Create or upgrade FlowQL's own database. authentik's database is never changed."""
    from gql import administration

    has_changed = asyncio.run(administration.migrate(_read_settings(database, schema)))
    _print_message(f"the database is {'' if has_changed else 'already '}up to date")


@app.command(name="import")
def import_(
    *paths: Annotated[
        Path,
        Parameter(
            required=True,
            # For `-`.
            allow_leading_hyphen=True,
            help="Blueprint files, folders of them, and `-` for standard input.",
        ),
    ],
    context: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            consume_multiple=False,
            help="A value of the context, as `KEY=VALUE`. The value is a string. Repeatable.",
        ),
    ] = None,
    context_file: Annotated[
        Path | None,
        Parameter(help="A YAML file with a mapping of values of the context, of any type."),
    ] = None,
    dry_run: Annotated[
        bool, Parameter(negative=(), help="Print the changes, and write nothing.")
    ] = False,
    keep_going: Annotated[
        bool,
        Parameter(
            negative=(), help="Import each valid file in a transaction of its own, and skip others."
        ),
    ] = False,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """Import flows from authentik's blueprint files: all files, or none if one is invalid.

    The exit code is 2 after errors, and 3 if a binding is omitted that decides who may pass.
    """
    from gql import administration, import_report
    from gql.progress import show_progress
    from models.blueprint.report import ImportOptions

    options = ImportOptions(_read_context(context_file, context or ()), keep_going, dry_run)
    settings = _read_settings(database, schema)
    try:
        with _end_at_interrupt(), show_progress() as progress:
            report = asyncio.run(
                administration.import_blueprints(settings, _check_paths(paths), options, progress)
            )
    except BlueprintError as error:
        _print_messages(import_report.render_errors(error.messages))
        sys.exit(USAGE_ERROR)
    for line in import_report.render_plan(report) if dry_run else ():
        print(line)
    _print_messages(import_report.render_report(report, options))
    if report.errors or report.omissions:
        sys.exit(USAGE_ERROR if report.errors else OMITTED)


@app.command
def export(
    *slugs: Annotated[str, Parameter(help="The slugs of flows.")],
    all_: Annotated[bool, Parameter(name="--all", negative=(), help="Export all flows.")] = False,
    output: Annotated[
        Path | None,
        Parameter(name=("--output", "-o"), help="The file to write. Default: standard output."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            consume_multiple=False,
            help="Export a flow under another slug, as `OLD=NEW`. Repeatable.",
        ),
    ] = None,
    copy_stages: Annotated[
        bool,
        Parameter(
            negative=(), help="Give renamed flows copies of their stages, named `NAME (NEW)`."
        ),
    ] = False,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """Export flows as a blueprint, with the stages, policies and prompts that they use.

    authentik and FlowQL can import it. Secrets are not exported: comments at the start of the file
    list the environment variables that replace them.
    """
    from gql import administration
    from models.blueprint.exporting.dump import dump_parts
    from models.blueprint.exporting.options import ExportOptions

    if all_ == bool(slugs):
        raise OperatorError("name the flows to export, or use --all")
    if copy_stages and not rename:
        raise OperatorError("--copy-stages requires --rename")
    options = ExportOptions(_parse_renames(rename or ()), copy_stages)
    settings = _read_settings(database, schema)
    document = asyncio.run(administration.export_flows(settings, slugs, options))
    if output is None:
        _use_utf8(sys.stdout)
        sys.stdout.writelines(dump_parts(document))
        return
    _write_file(output, dump_parts(document))
    _print_message(f"{len(document.items)} entries are in {output}")


@app.command
def diff(
    left: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="The side before: a blueprint file or a folder of them, a file written by"
            " `flowql export --all`, the URL of a database (`sqlite:///…`, `postgresql://…`), or the"
            " URL of authentik (`https://…`).",
        ),
    ],
    right: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="The side after, of any of these kinds.")
    ],
    /,
    *,
    as_json: Annotated[
        bool,
        Parameter(
            name="--json",
            negative=(),
            help="Print a JSON array with an object for each change: `path`, `kind` (`added`,"
            " `removed`, `changed`, `moved`, `renamed` or `extra`), `before`, `after`, `object`,"
            " `objectKind`, `attribute` and `flows`.",
        ),
    ] = False,
    markdown: Annotated[
        bool, Parameter(negative=(), help="Print Markdown, for the comment on a pull request.")
    ] = False,
    exact: Annotated[
        bool, Parameter(negative=(), help="Count objects that a blueprint does not mention.")
    ] = False,
    only: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            consume_multiple=True,
            help="Compare only what concerns these flows. It follows the sides.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            consume_multiple=True,
            help="Ignore changes whose path matches a pattern with `*`, such as `*.background`. It"
            " follows the sides.",
        ),
    ] = None,
    context: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            consume_multiple=False,
            help="A value of the context of blueprints, as `KEY=VALUE`. Repeatable.",
        ),
    ] = None,
    context_file: Annotated[
        Path | None,
        Parameter(help="A YAML file with a mapping of values of the context, of any type."),
    ] = None,
    token_file: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            consume_multiple=False,
            help="A file with the token for an authentik, as `HOST=FILE`. Repeatable. Default for a"
            f" single authentik: the environment variable `{AUTHENTIK_TOKEN}`.",
        ),
    ] = None,
    ca_file: Annotated[
        Path | None, Parameter(help="The file of the certificates to trust, in PEM.")
    ] = None,
    schema: SchemaOption = None,
) -> None:
    """Compare two systems, or a system with blueprints, by names and never by primary keys.

    Against a blueprint, only what it mentions is compared. The exit code is 0 if there is no
    difference, 1 if there are some, and 2 after an error.
    """
    from gql import comparison, diff_report, import_report
    from models.diff.compare import CompareOptions
    from models.diff.options import SideOptions, is_live_system

    if as_json and markdown:
        raise OperatorError("--json and --markdown are mutually exclusive")
    if only == [] or ignore == []:
        raise OperatorError(f"{'--only' if only == [] else '--ignore'} requires a value")
    # The token of one system must not be sent to another one.
    is_single = sum(map(is_live_system, (left, right))) == 1
    options = SideOptions(
        _read_context(context_file, context or ()),
        _read_token_files(token_file or ()),
        os.environ.get(AUTHENTIK_TOKEN) if is_single else None,
        ca_file,
        _read_settings(None, schema).schema_name,
    )
    try:
        difference = asyncio.run(
            comparison.compare(left, right, options, CompareOptions(is_exact=exact))
        ).select(only or (), ignore or ())
    except BlueprintError as error:
        _print_messages(import_report.render_errors(error.messages, "nothing was compared"))
        sys.exit(USAGE_ERROR)
    except OperatorError:
        raise
    except Exception:  # noqa: BLE001 - Python's exit code would mean that there are differences
        traceback.print_exc()
        sys.exit(USAGE_ERROR)
    _use_utf8(sys.stdout)
    _print_messages(f"warning: {message}" for message in difference.warnings)
    if as_json:
        print(diff_report.render_json(difference))
    elif markdown:
        print("\n".join(diff_report.render_markdown(difference)))
    else:
        _print_text(diff_report.render_text(difference))
        _print_messages(diff_report.render_summary(difference))
    if difference.counted:
        sys.exit(DIFFERENT)


@app.command
def sync(
    *,
    url: Annotated[
        str, Parameter(help="The URL of authentik, such as `https://authentik.example`.")
    ],
    token: Annotated[
        str | None,
        Parameter(
            help="A token of authentik with the intent API; `--token-file` and the environment"
            f" variable `{AUTHENTIK_TOKEN}` are safer."
        ),
    ] = None,
    token_file: Annotated[Path | None, Parameter(help="The file that contains the token.")] = None,
    ca_file: Annotated[
        Path | None,
        Parameter(help="A PEM file with the certificates to trust. Default: those of the system."),
    ] = None,
    every: Annotated[
        timedelta | None,
        Parameter(help="Sync again and again, with this pause, such as `5m`. Default: once."),
    ] = None,
    force: Annotated[
        bool, Parameter(negative=(), help="Allow a round to delete more than a third of the flows.")
    ] = False,
    no_delete: Annotated[
        bool, Parameter(negative=(), help="Keep what authentik no longer has.")
    ] = False,
    concurrency: Annotated[
        int, Parameter(help="The number of requests at the same time.")
    ] = SYNC_LIMITS.concurrency,
    request_timeout: Annotated[
        timedelta, Parameter(help="The time limit of a request.")
    ] = timedelta(seconds=SYNC_LIMITS.request_seconds),
    timeout: Annotated[timedelta, Parameter(help="The time limit of a round.")] = timedelta(
        seconds=SYNC_LIMITS.total_seconds
    ),
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """Fill FlowQL's own database from authentik's REST API, in one transaction.

    The token needs permissions to view flows, stages, policies, bindings and prompts; an error names
    those that are missing. Secrets are not stored. If a round fails, the data stays as it is.
    """
    from gql import administration, sync_report
    from gql.progress import show_progress
    from models.sync.options import SyncOptions
    from models.sync.source import ApiSource

    limits = _build_sync_limits(concurrency, request_timeout, timeout)
    options = SyncOptions(force, no_delete, limits)
    source = ApiSource(url, _read_token(token, token_file), ca_file)
    settings = _read_settings(database, schema)
    with _end_at_interrupt():
        if every is not None:
            _check_duration("--every", every)
            asyncio.run(administration.keep_syncing(settings, source, options, every, _print_round))
            return
        with show_progress() as progress:
            report = asyncio.run(administration.sync(settings, source, options, progress))
    _print_messages(sync_report.render_report(report))


@app.command
def grants(
    *,
    role: Annotated[str, Parameter(help="The role that reads the database.")] = READING_ROLE,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """Print the SQL that lets a role read authentik's database, without changing the database.

    Execute it as the owner of authentik's tables, and again after an upgrade of authentik.
    """
    from gql import administration

    if not role or role in PSEUDO_ROLES:
        raise OperatorError(f"invalid --role: {role!r} cannot be the name of a role")
    print(
        "\n".join(asyncio.run(administration.list_grants(_read_settings(database, schema), role)))
    )


@tokens.command(name="create")
def token_create(
    name: Annotated[str, Parameter(help="The name of the token.")],
    /,
    *,
    superuser: Annotated[bool, Parameter(negative=(), help="Make its user a superuser.")] = False,
    flow: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            consume_multiple=1,
            help="The slug of a flow. The token can view and export only such flows, with everything"
            " below them. Repeatable.",
        ),
    ] = None,
    flows_only: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Give only the permission `view_flow`: all flows, without their bindings, stages"
            " and policies, and without exports.",
        ),
    ] = False,
    expires: Annotated[
        timedelta | None,
        Parameter(help="The lifetime, such as `30d` or `12h`. Default: unlimited."),
    ] = None,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """Create a token and print its key, which cannot be printed again.

    By default, the token can view and export all flows, with everything below them, and its user is
    not a superuser. What the token can do is printed on standard error.
    """
    from gql import administration
    from models.tokens import TokenScope

    limits = {"--superuser": superuser, "--flow": flow, "--flows-only": flows_only}
    given = [option for option, value in limits.items() if value]
    if len(given) > 1:
        raise OperatorError(f"{' and '.join(given)} are mutually exclusive")
    if expires is not None:
        _check_duration("--expires", expires)
    scope = TokenScope(superuser, tuple(flow or ()), flows_only)
    settings = _read_settings(database, schema)
    key = asyncio.run(administration.create_token(settings, name, scope, expires))
    _print_message(f"the token {name} {_describe_ability(scope)}")
    print(key)


@tokens.command(name="list")
def token_list(
    *,
    as_json: Annotated[
        bool, Parameter(name="--json", negative=(), help="Print a JSON array.")
    ] = False,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """List the tokens with the flows that they can view, and when they were created and expire."""
    from gql import administration

    summaries = asyncio.run(administration.list_tokens(_read_settings(database, schema)))
    if as_json:
        print(json.dumps([_build_token_object(token) for token in summaries], indent=2))
        return
    table = Table("name", "sees", "created", "expires", box=None, pad_edge=False)
    for token in summaries:
        dates = (_render_date(token.created), _render_date(token.expires))
        table.add_row(Text(token.name), _summarize_scope(token.scope), *dates)
    # Lines for a pipe must not wrap.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


@tokens.command(name="revoke")
def token_revoke(
    name: Annotated[str, Parameter(help="The name of the token.")],
    /,
    *,
    database: DatabaseOption = None,
    schema: SchemaOption = None,
) -> None:
    """Revoke a token and delete its user."""
    from gql import administration

    asyncio.run(administration.revoke_token(_read_settings(database, schema), name))
    _print_message(f"the token {name} is revoked")


@explorer.command(name="install")
def explorer_install() -> None:
    """Download GraphiQL's files with npm, which pip installs if it is missing.

    Does nothing if the files are already installed.
    """
    from gql.explorer import packages

    is_new = packages.install()
    _print_message(f"GraphiQL is {'now' if is_new else 'already'} in {packages.VENDOR}")


@app.command(name="schema")
def schema_(
    *,
    check: Annotated[
        bool,
        Parameter(
            negative=(), help="Compare ./schema.graphql with the schema instead of printing it."
        ),
    ] = False,
) -> None:
    """Print the GraphQL schema in the schema definition language."""
    from gql import schema

    sdl = schema.print_schema(schema.build_schema())
    if not check:
        sys.stdout.write(sdl)
    elif difference := _compare_file(sdl):
        _print_message(f"{SDL_FILE} {difference}: run 'flowql schema > {SDL_FILE}'")
        sys.exit(OUTDATED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; print an error on standard error and exit with code 2.

    An error is one line, which SQL statements may follow. A command whose output nobody reads any
    more, as in `flowql schema | head`, ends without a message and with code 1, as Rich does when it
    prints help.
    """
    _open_closed_streams()
    logging.basicConfig(format="flowql: %(message)s")
    if arguments is None:
        arguments = sys.argv[1:]
        _set_process_title(arguments)
    try:
        _run(arguments)
    except BrokenPipeError:
        _discard_output(sys.stdout)
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        if error.errno not in OUTPUT_ERRORS:
            raise
        _discard_output(sys.stdout)
        _print_message(f"cannot write the output: {error.strerror}")
        sys.exit(USAGE_ERROR)


def _run(arguments: Sequence[str]) -> None:
    try:
        app(arguments, exit_on_error=False, print_error=False)
    except OperatorError as error:
        _print_message(str(error))
        sys.exit(USAGE_ERROR)
    except CycloptsError as error:
        _print_message(" ".join(str(error).split()))
        sys.exit(USAGE_ERROR)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        # The interpreter would report an error of its own when it exits.
        sys.stdout.flush()


@contextmanager
def _end_at_interrupt() -> Generator[None]:
    """Let Ctrl+C end the process at once during the block, which a kill must not harm.

    asyncio would wait for the end of the current step, and an exception in its event loop can leave
    a task that never ends.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        # Ignored, as by nohup.
        yield
        return
    signal.signal(signal.SIGINT, _exit_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit_at_once(_signal: int, _frame: object) -> None:
    if sys.stderr.isatty():
        # A progress bar hides the cursor.
        os.write(sys.stderr.fileno(), SHOW_CURSOR)
    os._exit(INTERRUPTED)


def _open_closed_streams() -> None:
    """Open the null device for closed streams, whose descriptors other files would get."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - open until the process ends


def _set_process_title(arguments: Sequence[str]) -> None:
    """Show the command in the list of processes without secrets."""
    pairs = zip(["", *arguments], arguments, strict=False)
    setproctitle(" ".join(["flowql", *(_mask_secrets(*pair) for pair in pairs)]))


def _mask_secrets(previous: str, argument: str) -> str:
    """Mask passwords, tokens, and the values of a context, which can be secrets."""
    # cyclopts accepts both.
    if previous.replace("_", "-") in TOKEN_OPTIONS:
        return "***"
    if previous == "--context":
        return f"{argument.partition('=')[0]}=***"
    for secret in SECRETS:
        argument = secret.sub(r"\1***", argument)
    return argument


def _read_token(token: str | None, file: Path | None) -> str:
    """Return the token for authentik; raises OperatorError."""
    if token is not None and file is not None:
        raise OperatorError("--token and --token-file are mutually exclusive")
    if file is not None:
        return read_secret("--token-file", file)
    token = os.environ.get(AUTHENTIK_TOKEN) if token is None else token
    if not token:
        raise OperatorError(f"no token: use --token-file FILE, or set {AUTHENTIK_TOKEN}")
    return token


def _build_sync_limits(
    concurrency: int, request_timeout: timedelta, timeout: timedelta
) -> "ApiLimits":
    """Return the limits of requests to authentik; raises OperatorError."""
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise OperatorError(f"invalid --concurrency: expected 1 to {MAX_CONCURRENCY}")
    _check_duration("--request-timeout", request_timeout)
    _check_duration("--timeout", timeout)
    return replace(
        SYNC_LIMITS,
        concurrency=concurrency,
        request_seconds=request_timeout.total_seconds(),
        total_seconds=timeout.total_seconds(),
    )


def _check_duration(option: str, duration: timedelta) -> None:
    if not timedelta() < duration < MAX_LIFETIME:
        raise OperatorError(f"invalid {option}: expected a positive duration below 100 years")


def _print_round(result: "MirrorReport | OperatorError") -> None:
    """Print the result of a round."""
    from gql import sync_report

    if isinstance(result, OperatorError):
        _print_message(f"the sync failed: {result}")
    else:
        _print_messages(sync_report.render_report(result))


def _read_settings(database: str | None, schema: str | None) -> Settings:
    return read_settings(database_url=database, schema_name=schema)


def _describe_ability(scope: "TokenScope") -> str:
    if scope.is_superuser:
        return "can view and export everything, as a superuser"
    if scope.is_flows_only:
        return "can view all flows, but not their bindings, stages and policies, nor export them"
    if not scope.flow_slugs:
        return "can view and export all flows, with everything below them"
    return f"can view and export {', '.join(scope.flow_slugs)}, with everything below"


def _summarize_scope(scope: "TokenScope | None") -> str:
    if scope is None:
        return "none"
    if scope.is_superuser:
        return "all, as superuser"
    return "all, flows only" if scope.is_flows_only else ", ".join(scope.flow_slugs) or "all"


def _render_date(date: datetime | None) -> str:
    return f"{date:%Y-%m-%d %H:%M} UTC" if date else "never"


def _render_iso_date(date: datetime) -> str:
    return f"{date:%Y-%m-%dT%H:%M:%SZ}"


def _build_token_object(token: "TokenSummary") -> Mapping[str, Any]:
    """Return a token as an object for JSON. Its `flows` are null if it can view all of them."""
    scope = token.scope
    return {
        "name": token.name,
        "created": _render_iso_date(token.created),
        "expires": _render_iso_date(token.expires) if token.expires else None,
        "scope": {
            "superuser": scope is not None and scope.is_superuser,
            "flows_only": scope is not None and scope.is_flows_only,
            "flows": (scope.flow_slugs or None) if scope else (),
        },
    }


def _compare_file(sdl: str) -> str:
    """Return how ./schema.graphql differs from the schema, an empty string if it does not."""
    try:
        return "" if SDL_FILE.read_bytes() == sdl.encode() else "is outdated"
    except FileNotFoundError:
        return "is missing in this folder"
    except OSError as error:
        raise OperatorError(f"cannot read {SDL_FILE}: {error.strerror}") from None


def _check_paths(paths: Sequence[Path]) -> Sequence[Path]:
    """Return the paths; raises OperatorError if one is a mistyped option."""
    from models.blueprint.format.files import STANDARD_INPUT

    for path in paths:
        if str(path).startswith("-") and path != STANDARD_INPUT:
            raise OperatorError(f"unknown option {path}: a file of this name is ./{path}")
    return paths


def _read_context(file: Path | None, items: Sequence[str]) -> Mapping[str, Any]:
    """Return the context of the options; raises OperatorError."""
    from models.blueprint.context_file import read_context

    return {**(read_context(file) if file else {}), **dict(map(_parse_context_item, items))}


def _parse_context_item(item: str) -> tuple[str, str]:
    key, separator, value = item.partition("=")
    if not (key and separator):
        raise OperatorError("invalid --context: expected KEY=VALUE")
    return key, value


def _read_token_files(items: Iterable[str]) -> Mapping[str, str]:
    """Return the tokens of live systems by host; raises OperatorError."""
    tokens: dict[str, str] = {}
    for item in items:
        host, separator, name = item.partition("=")
        if not (host and separator and name):
            raise OperatorError("invalid --token-file: expected HOST=FILE")
        tokens[host.lower()] = read_secret("--token-file", Path(name))
    return tokens


def _parse_renames(items: Sequence[str]) -> Mapping[str, str]:
    renames: dict[str, str] = {}
    for item in items:
        old, separator, new = item.partition("=")
        if not (old and separator and new):
            raise OperatorError(f"invalid --rename {item!r}: expected OLD=NEW")
        if renames.setdefault(old, new) != new:
            raise OperatorError(f"invalid --rename {item!r}: {old!r} is already renamed")
    return renames


def _print_text(lines: Iterable[Text]) -> None:
    """Print lines in colour on a terminal. Lines for a pipe must not wrap."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    for line in lines:
        console.print(line, soft_wrap=True)


def _use_utf8(stream: TextIO) -> None:
    """Let a stream write any character, whatever the locale is."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding="utf-8")


def _write_file(path: Path, parts: Iterable[str]) -> None:
    """Write a file; a regular one of this name is replaced when the new one is complete."""
    is_replaced = path.name and not path.is_symlink() and (path.is_file() or not path.exists())
    target = path.with_name(f"{path.name}.{os.getpid()}.tmp") if is_replaced else path
    try:
        with target.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        if is_replaced:
            if path.exists():
                shutil.copymode(path, target)
            target.replace(path)
    except OSError as error:
        if is_replaced:
            target.unlink(missing_ok=True)
        raise OperatorError(f"cannot write {path}: {error.strerror}") from None


def _print_messages(lines: Iterable[str]) -> None:
    for line in lines:
        _print_message(line)


def _print_message(line: str) -> None:
    try:
        print(f"flowql: {line}", file=sys.stderr, flush=True)
    except OSError:
        # What the command does is more important than its messages.
        _discard_output(sys.stderr)


def _discard_output(stream: TextIO) -> None:
    """Write what follows, and what the stream still contains, to the null device."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
