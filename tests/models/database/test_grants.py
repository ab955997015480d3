"""`flowql grants` prints the SQL that a role needs, and errors list what it lacks."""

import asyncio
import os
import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InvalidSchemaName, UndefinedObject

from models.database import list_grants, migrate, open_database
from models.database.grants import Grantee
from models.errors import DatabaseError
from models.tables.metadata import METADATA
from support.app_client import AppClient
from support.command import run_flowql, run_in_process
from support.databases import fill_authentik_with_types
from support.edge_case_data import KEYS, LONG_TABLE
from support.paths import README
from support.postgres import PASSWORD, PostgresServer
from support.seed import create_authentik
from support.server_process import collect_log, run_server, wait_until_live

CACHE_TABLE = "django_postgres_cache_cacheentry"
# FlowQL reads these tables from its own database only.
OWN_TABLES = ("flowql_", "authentik_stages_prompt_")
OWNER = "authentik"
OWNER_NAME = sql.Identifier(OWNER)
# Both have quotes, a line break and a word that PostgreSQL reserves; one ends a comment.
ODD_SCHEMA = "user \"of\" 'tenant'\n;--%"
ODD_ROLE = 'select $$ from \\ ü\n"Reader" \''
PRIVILEGES = """
SELECT table_name, column_name FROM information_schema.column_privileges
WHERE grantee = %s AND privilege_type = 'SELECT' ORDER BY 1, 2
"""
STATE = """
SELECT count(*), (SELECT count(*) FROM pg_roles), sum(hashtext(relacl::text)) FROM pg_class
"""
TYPES = (
    f"GRANT SELECT (stage_ptr_id) ON public.{LONG_TABLE} TO {{}};",
    "GRANT SELECT (stage_ptr_id) ON public.authentik_stages_password_astage TO {};",
    "GRANT SELECT (policy_ptr_id) ON public.authentik_policies_dummy_policy TO {};",
    "GRANT SELECT (policy_ptr_id) ON public.authentik_policies_geo_ip_policy TO {};",
)
USAGE = "GRANT USAGE ON SCHEMA public TO {};"
CONNECT = "GRANT CONNECT ON DATABASE {} TO {};"
TOKEN_COLUMNS = "token_uuid, identifier, key, intent, expires, expiring, user_id"
TOKEN_TABLE = f"GRANT SELECT ({TOKEN_COLUMNS}) ON public.authentik_core_token TO {{}};"
TABLE_COMMENT = "-- The view flowql_token is not used, because {}. This grants all tokens:"
TOKEN_VIEW = "GRANT SELECT ON public.flowql_token TO {};"
NARROW_VIEW = "CREATE VIEW flowql_token AS SELECT token_uuid, key FROM authentik_core_token"
STRANGERS_VIEW = """
CREATE VIEW flowql_token AS
SELECT token_uuid, key, expires, expiring, user_id FROM authentik_core_token;
CREATE ROLE stranger;
GRANT stranger TO authentik;
GRANT CREATE ON SCHEMA public TO stranger;
ALTER VIEW flowql_token OWNER TO stranger;
"""


@pytest.fixture(scope="module")
def template(postgres: PostgresServer) -> str:
    """A database of authentik with types, filled by its owner, who may create roles; its name."""
    statements = (
        sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}").format(OWNER_NAME, PASSWORD),
        sql.SQL("CREATE DATABASE grants OWNER {}").format(OWNER_NAME),
    )
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
    fill_authentik_with_types(postgres.dsn("grants", user=OWNER))
    return "grants"


@pytest.fixture
def url(postgres: PostgresServer, template: str) -> Iterator[str]:
    """The owner's URL of a copy of the database. It and new roles are dropped after the test."""
    name = f"grants_{os.urandom(4).hex()}"
    database = sql.Identifier(name)
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
        connection.execute(create.format(database, OWNER_NAME, sql.Identifier(template)))
        roles = list_roles(connection)
        yield postgres.dsn(name, user=OWNER)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
        for role in list_roles(connection) - roles:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def list_roles(connection: psycopg.Connection) -> set[str]:
    """Return the names of all roles."""
    return {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}


def execute(url: str, statements: str) -> None:
    """Execute SQL statements."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def print_grants(url: str, *arguments: str) -> str:
    """Return the output of `flowql grants`."""
    result = run_in_process("grants", "--database", url, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def create_role(url: str, role: str) -> str:
    """Create a role without privileges, and return the URL with which it connects."""
    create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(role), PASSWORD))
    return url_of(url, role)


def url_of(url: str, role: str) -> str:
    """Return the URL with which a role connects."""
    return url.replace(f"//{OWNER}:", f"//{role}:")


def set_password(url: str, role: str) -> None:
    """Let a role connect with the password of the tests."""
    alter = sql.SQL("ALTER ROLE {} PASSWORD {}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(alter.format(sql.Identifier(role), PASSWORD))


def list_privileges(url: str, role: str) -> list[tuple[str, str]]:
    """Return the columns that a role may read."""
    with psycopg.connect(url) as connection:
        return connection.execute(PRIVILEGES.encode(), [role]).fetchall()


def open_error(url: str, schema: str = "public") -> str:
    """Return the error of a database that cannot be opened, an empty string if it can."""

    async def open_() -> None:
        await (await open_database(url, schema)).close()

    try:
        asyncio.run(open_())
    except DatabaseError as error:
        return str(error)
    return ""


def missing_statements(url: str, schema: str = "public") -> list[str]:
    """Return the statements of the error of a role that lacks privileges."""
    summary, *statements = open_error(url, schema).splitlines()
    assert summary.endswith("Execute as the owner of the tables:")
    return statements


def test_the_output_lets_a_role_serve_without_a_warning(url: str) -> None:
    """The owner executes it and sets a password; `flowql serve` then logs no warning."""
    output = run_flowql("grants", "--role", "served", "--database", url).stdout
    execute(url, output)
    set_password(url, "served")
    with (
        run_server(url_of(url, "served")) as (address, process),
        collect_log(process) as log,
    ):
        wait_until_live(address, process)
    assert [line for line in log if "WARNING" in line] == []
    with AppClient(url) as owner, AppClient(url_of(url, "served")) as reader:
        for path in ("/flows/instances/?page_size=100", "/flows/instances/a-flow/export/"):
            assert reader.get(path, KEYS["superuser"]) == owner.get(path, KEYS["superuser"])


@pytest.mark.parametrize("kind", ["owner", "superuser"])
def test_the_output_can_be_executed_twice(kind: str, url: str, postgres: PostgresServer) -> None:
    """It changes nothing then, and the next output creates no role and no view."""
    name = url.rpartition("/")[2]
    connecting_url = url if kind == "owner" else postgres.dsn(name)
    output = print_grants(connecting_url, "--role", "twice")
    execute(connecting_url, output)
    privileges = list_privileges(url, "twice")
    execute(connecting_url, output)
    assert list_privileges(url, "twice") == privileges
    set_password(connecting_url, "twice")
    assert open_error(url_of(url, "twice")) == ""
    again = print_grants(connecting_url, "--role", "twice").splitlines()
    comment, role, view = (line for line in output.splitlines() if line not in again)
    assert comment.startswith("-- A role that may only read. Set its password")
    assert "CREATE ROLE twice LOGIN" in role
    assert "CREATE OR REPLACE VIEW public.flowql_token" in view


def test_the_output_is_the_same_for_each_role_that_connects(
    url: str, postgres: PostgresServer
) -> None:
    """It is read from the catalog, also by the role itself, without and with its privileges."""
    reader_url = create_role(url, "itself")
    superuser_url = postgres.dsn(url.rpartition("/")[2])
    execute(superuser_url, "REVOKE USAGE ON SCHEMA public FROM public")
    expected = print_grants(url, "--role", "itself")
    assert print_grants(reader_url, "--role", "itself") == expected
    assert print_grants(superuser_url, "--role", "itself") == expected
    execute(superuser_url, expected)
    assert print_grants(reader_url, "--role", "itself") == print_grants(url, "--role", "itself")


def test_grants_writes_nothing(url: str) -> None:
    """No relation, role or privilege changes."""
    with psycopg.connect(url) as connection:
        before = connection.execute(STATE).fetchall()
    print_grants(url, "--role", "unwritten")
    with psycopg.connect(url) as connection:
        assert connection.execute(STATE).fetchall() == before


def test_the_readme_has_the_same_grants(url: str) -> None:
    """README's SQL and the output give the same privileges on the same columns."""
    grants, type_grants = re.findall(
        r"^```sql\n(-- .+?)^```$", README.read_text(), re.DOTALL | re.MULTILINE
    )
    execute(url, re.sub(r"\bflowql\b", "by_readme", grants))
    with psycopg.connect(url) as connection:
        rows = connection.execute(type_grants.removesuffix("\\gexec\n").encode()).fetchall()
    execute(url, ";".join(re.sub(r"\bflowql\b", "by_readme", row[0]) for row in rows))
    execute(url, print_grants(url, "--role", "by_command"))
    privileges = list_privileges(url, "by_command")
    assert privileges == list_privileges(url, "by_readme")
    assert len(privileges) > 80


def test_odd_names_are_quoted(url: str) -> None:
    """Schemas and roles may have any name."""
    create_authentik(url, ODD_SCHEMA)
    execute(url, print_grants(url, "--schema", ODD_SCHEMA, "--role", ODD_ROLE))
    execute(url, print_grants(url, "--schema", ODD_SCHEMA, "--role", ODD_ROLE))
    set_password(url, ODD_ROLE)
    with psycopg.connect(url, autocommit=True) as connection:
        # The role, which the owner has created, may not be in a URL as it is.
        connection.execute("CREATE ROLE odd_reader LOGIN PASSWORD 'odd'")
        grant = sql.SQL("GRANT {} TO odd_reader").format(sql.Identifier(ODD_ROLE))
        connection.execute(grant)
    reader_url = url_of(url, "odd_reader").replace(f":{PASSWORD}@", ":odd@")
    assert open_error(reader_url, ODD_SCHEMA) == ""


def test_names_that_end_in_a_line_feed_are_quoted(url: str) -> None:
    """They differ from the names without it."""
    create_authentik(url, "tenant\n")
    execute(url, print_grants(url, "--schema", "tenant\n", "--role", "reader\n"))
    with psycopg.connect(url) as connection:
        roles = list_roles(connection)
    assert "reader\n" in roles
    assert "reader" not in roles


def test_names_that_are_key_words_are_quoted(url: str) -> None:
    """PostgreSQL parses each of its key words as the name of a role and of a schema."""
    with psycopg.connect(url, autocommit=True) as connection:
        words = [word for (word,) in connection.execute("SELECT word FROM pg_get_keywords()")]
        # It names no role, with or without quotes.
        words.remove("none")
        for word in words:
            # There is no schema of that name.
            with pytest.raises((InvalidSchemaName, UndefinedObject)):
                connection.execute(Grantee(word, word).grant_usage().encode())
    assert len(words) > 400


def test_a_missing_cache_table_needs_no_grant(url: str) -> None:
    """The cache table exists since authentik 2025.10."""
    assert CACHE_TABLE in print_grants(url)
    execute(url, f"DROP TABLE {CACHE_TABLE}")
    assert CACHE_TABLE not in print_grants(url)


@pytest.mark.parametrize("exists", [True, False])
def test_a_role_that_cannot_connect_is_let_in(*, exists: bool, url: str) -> None:
    """The right to connect, which every role has by default, is granted if it was revoked."""
    name = url.rpartition("/")[2]
    execute(url, f'REVOKE CONNECT ON DATABASE "{name}" FROM public')
    if exists:
        create_role(url, "outside")
    grant = CONNECT.format(name, "outside")
    assert grant in print_grants(url, "--role", "outside").splitlines()
    execute(url, print_grants(url, "--role", "outside"))
    set_password(url, "outside")
    assert open_error(url_of(url, "outside")) == ""
    assert grant not in print_grants(url, "--role", "outside")


def test_a_role_that_may_not_log_in_is_let_in(url: str) -> None:
    """CREATE ROLE creates such a role by default."""
    execute(url, "CREATE ROLE group_only")
    output = print_grants(url, "--role", "group_only")
    assert output.splitlines()[0] == "ALTER ROLE group_only LOGIN;"
    execute(url, output)
    set_password(url, "group_only")
    assert open_error(url_of(url, "group_only")) == ""
    assert "LOGIN" not in print_grants(url, "--role", "group_only")


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (NARROW_VIEW, "it lacks expires, expiring, user_id"),
        (STRANGERS_VIEW, "its owner may not read authentik_core_token"),
    ],
)
def test_a_view_that_is_not_used_is_replaced_by_the_table(view: str, reason: str, url: str) -> None:
    """A comment says why the view, which would hide other tokens, is not used."""
    execute(url, view)
    output = print_grants(url, "--role", "by_table")
    assert f"{TABLE_COMMENT.format(reason)}\n{TOKEN_TABLE.format('by_table')}\n" in output
    assert "CREATE OR REPLACE VIEW" not in output
    execute(url, output)
    set_password(url, "by_table")
    assert open_error(url_of(url, "by_table")) == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--role", ""], "invalid --role: '' cannot be the name of a role"),
        (["--role", "public"], "invalid --role: 'public' cannot be the name of a role"),
        (["--role", "r" * 64], f"'{'r' * 64}' cannot be the name of a role: names have up to 63"),
        (["--database", "sqlite:///flowql.db"], "SQLite database flowql.db has no roles: "),
    ],
)
def test_invalid_arguments_are_errors(arguments: list[str], reason: str) -> None:
    """A grant to `public` would be one to all roles."""
    result = run_in_process("grants", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"flowql: {reason}")


def test_flowql_s_own_database_needs_no_grants(postgres: PostgresServer) -> None:
    """The error says so."""
    own_url = postgres.create_database("own_grants")
    asyncio.run(migrate(own_url))
    result = run_in_process("grants", "--database", own_url)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "flowql: the database is FlowQL's own: only authentik's needs grants\n"
    )


def test_an_incomplete_database_has_no_grants(url: str) -> None:
    """The error names the table that is missing, and the version that FlowQL requires."""
    execute(url, "DROP TABLE authentik_core_groupparentage")
    with pytest.raises(DatabaseError, match=r"groupparentage is missing: .* 2025\.12 or later$"):
        asyncio.run(list_grants(url, "public", "x"))


def test_all_missing_privileges_are_reported_at_once(url: str, postgres: PostgresServer) -> None:
    """A role without privileges gets the statements that `flowql grants` prints."""
    reader_url = create_role(url, "deprived")
    execute(postgres.dsn(url.rpartition("/")[2]), "REVOKE USAGE ON SCHEMA public FROM public")
    statements = missing_statements(reader_url)
    output = print_grants(url, "--role", "deprived").splitlines()
    assert statements == [line for line in output if not line.startswith("--")]
    result = run_flowql("serve", "--port", "0", "--database", reader_url)
    summary = (
        "flowql: the role 'deprived' lacks privileges in the schema 'public'."
        " Execute as the owner of the tables:"
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [summary, *statements]
    execute(url, "\n".join(statements))
    assert open_error(reader_url) == ""


def test_each_missing_privilege_is_reported(url: str) -> None:
    """The error has one statement for each column that is revoked, and nothing else."""
    reader_url = create_role(url, "by_columns")
    tables = [table for table in METADATA.sorted_tables if not table.name.startswith(OWN_TABLES)]
    columns = [
        (table.name, column.name)
        for table in tables
        for column in table.columns
        if not column.info.get("unread")
    ]
    execute(url, USAGE.format("by_columns"))
    execute(url, ";".join(line.format("by_columns") for line in TYPES))
    privilege = 'SELECT ("{}") ON {} {} by_columns'
    execute(url, ";".join("GRANT " + privilege.format(c, t, "TO") for t, c in columns))
    assert open_error(reader_url) == ""
    for table, column in columns:
        execute(url, "REVOKE " + privilege.format(column, table, "FROM"))
        [statement] = missing_statements(reader_url)
        name = '"order"' if column == "order" else column
        assert statement == f"GRANT SELECT ({name}) ON public.{table} TO by_columns;"
        execute(url, statement)
    assert open_error(reader_url) == ""
    assert len(columns) > 80


def test_usage_and_select_are_reported_together(url: str) -> None:
    """A schema without USAGE is not an empty one."""
    create_authentik(url, "closed")
    reader_url = create_role(url, "shut_out")
    statements = missing_statements(reader_url, "closed")
    assert statements[0] == "GRANT USAGE ON SCHEMA closed TO shut_out;"
    assert len(statements) > 15
    execute(url, "\n".join(statements[1:]))
    assert missing_statements(reader_url, "closed") == statements[:1]
    execute(url, statements[0])
    assert open_error(reader_url, "closed") == ""


def test_a_missing_privilege_on_the_view_is_reported(url: str) -> None:
    """The statement grants the view if there is one, and else it creates it."""
    reader_url = create_role(url, "viewing")
    execute(url, print_grants(url, "--role", "viewing"))
    execute(url, "REVOKE SELECT ON flowql_token FROM viewing")
    assert missing_statements(reader_url) == [TOKEN_VIEW.format("viewing")]
    execute(url, "DROP VIEW flowql_token")
    create, grant = missing_statements(reader_url)
    assert create.startswith("CREATE OR REPLACE VIEW public.flowql_token WITH (security_barrier)")
    assert grant == TOKEN_VIEW.format("viewing")
    execute(url, create + grant)
    assert open_error(reader_url) == ""
    execute(url, "ALTER VIEW flowql_token RENAME expires TO expiry")
    comment = TABLE_COMMENT.format("it lacks expires")
    assert missing_statements(reader_url) == [comment, TOKEN_TABLE.format("viewing")]


def test_unreadable_types_are_a_warning_at_start(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning has the statements, and an open database."""
    reader_url = create_role(url, "untyped")
    execute(url, print_grants(url, "--role", "untyped"))
    assert open_error(reader_url) == ""
    assert caplog.messages == []
    statements = [line.format("untyped") for line in TYPES]
    execute(url, "\n".join(statements).replace("GRANT", "REVOKE").replace(" TO ", " FROM "))
    assert open_error(reader_url) == ""
    [message] = caplog.messages
    summary, *lines = message.splitlines()
    assert "the role 'untyped' may not read the tables of the types" in summary
    assert lines == statements
    execute(url, "\n".join(lines))
    caplog.clear()
    assert open_error(reader_url) == ""
    assert caplog.messages == []


def test_an_export_names_the_types_that_are_not_readable(url: str) -> None:
    """Its first lines say what is omitted, and which privilege is missing."""
    reader_url = create_role(url, "exporting")
    execute(url, print_grants(url, "--role", "exporting"))
    execute(url, "REVOKE SELECT (stage_ptr_id) ON authentik_stages_password_astage FROM exporting")
    with AppClient(reader_url) as client:
        text = client.get("/flows/instances/a-flow/export/", KEYS["superuser"]).body.decode()
    comments, _, entries = text.partition("version: 1\n")
    title, *omissions, stage_cause, policy_cause = comments.splitlines()
    assert title == "# This blueprint is incomplete. It lacks these parts of the flow:"
    assert omissions == [line for line in entries.splitlines() if line.startswith("#")] != []
    grant = "GRANT SELECT (stage_ptr_id) ON authentik_stages_password_astage"
    assert stage_cause == f"# some stages have no type: {grant}"
    assert policy_cause == "# some policies have no type in the database"
