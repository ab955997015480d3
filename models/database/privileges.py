"""The privileges that a role needs to read authentik's tables, compared with those that it has."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

from sqlalchemy import Table

from models.authentik.natural_keys import NATURAL_KEYS
from models.database.catalog import CACHE_TABLE, FLOWQL_PREFIX, Catalog
from models.database.grants import Grant, Grantee
from models.errors import DatabaseError
from models.tables.access import API_TOKEN, Token
from models.tables.child_table import CHILD_KEYS
from models.tables.metadata import METADATA
from models.tables.policy import PolicyBinding
from models.tables.prompt import Prompt
from models.tables.settings_table import SettingColumn

MINIMUM_VERSION = "2025.12"
# Added in authentik 2026.8. FlowQL does not read them.
OPTIONAL_COLUMNS = {(PolicyBinding.__tablename__, name) for name in ("expires", "expiring")}
# FlowQL can do without these tables of authentik.
OPTIONAL_TABLES = {Prompt.__tablename__}
log = logging.getLogger(__name__)

TOKENS = METADATA.tables[Token.__tablename__]
PROMPTS = METADATA.tables[Prompt.__tablename__]


def check_tables(catalog: Catalog) -> None:
    """Raise DatabaseError if tables or columns of authentik are missing."""
    missing = list(_find_missing(catalog))
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise DatabaseError(
            f"authentik's {', '.join(missing)} {verb} missing: FlowQL requires authentik"
            f" {MINIMUM_VERSION} or later"
        )


def check_privileges(catalog: Catalog, grantee: Grantee) -> None:
    """Raise DatabaseError if the role lacks privileges, with statements that grant them."""
    statements = [
        *([] if catalog.has_usage else [grantee.grant_usage()]),
        *map(grantee.grant_select, _list_missing_grants(catalog)),
        *_list_missing_token_statements(catalog, grantee),
    ]
    if statements:
        others = map(grantee.grant_select, _list_missing_settings_grants(catalog))
        types = _list_type_statements(catalog, grantee)
        raise build_error(grantee, [*statements, *types, *others])


def build_error(grantee: Grantee, statements: Sequence[str]) -> DatabaseError:
    """Return the error for a role that lacks privileges, with the statements that grant them."""
    return DatabaseError(
        f"the role {grantee.role!r} lacks privileges in the schema {grantee.schema!r}."
        " Execute as the owner of the tables:",
        statements,
    )


def warn_of_unreadable_types(catalog: Catalog, grantee: Grantee) -> None:
    """Log a warning with GRANT statements if tables of types are not readable."""
    statements = list(_list_type_statements(catalog, grantee))
    if statements:
        log.warning(
            "some stages or policies have no type, and their exports are incomplete: the role %r may"
            " not read the tables of the types. Execute as their owner:\n%s",
            grantee.role,
            "\n".join(statements),
        )


def warn_of_unreadable_settings(catalog: Catalog, grantee: Grantee) -> None:
    """Log a warning with GRANT statements if settings, or what they refer to, are not readable."""
    grants = list(_list_missing_settings_grants(catalog))
    if grants:
        log.warning(
            "some settings of stages and policies are missing, and exports are incomplete: the role"
            " %r may not read their columns. Execute as their owner:\n%s",
            grantee.role,
            "\n".join(map(grantee.grant_select, grants)),
        )


def describe_unreadable_settings(catalog: Catalog) -> Iterator[str]:
    """Yield that settings are missing, if their columns are not readable."""
    if any(_list_missing_settings_grants(catalog)):
        yield "some settings are missing: execute the statements that 'flowql grants' prints"


def describe_unreadable_types(catalog: Catalog) -> Mapping[str, str]:
    """Return why stages or policies have no type, if the tables of their types are not readable.

    Anyone can read it, so it names no role and no schema.
    """
    tables = {name: catalog.unreadable_tables(key) for name, key in CHILD_KEYS.items()}
    return {
        name: f"some {name} have no type:"
        f" GRANT SELECT ({CHILD_KEYS[name]}) ON {', '.join(unreadable)}"
        for name, unreadable in tables.items()
        if unreadable
    }


def list_statements(catalog: Catalog, grantee: Grantee) -> Iterator[str]:
    """Yield the statements that let a role read what FlowQL reads, with comments."""
    yield grantee.grant_usage()
    yield from map(grantee.grant_select, _list_grants(catalog))
    yield f"-- API tokens. FlowQL reads {API_TOKEN.name} if it can, otherwise {TOKENS.name}."
    yield from _list_token_statements(catalog, grantee)
    yield "-- The types and settings of stages and policies, without secrets. Repeat these grants after an"
    yield "-- upgrade of authentik."
    for key in CHILD_KEYS.values():
        for child in catalog.all_child_tables(key):
            columns = (item.column for item in _list_setting_columns(catalog, child.name))
            yield grantee.grant_select(Grant(child.name, (key, *columns)))
    others = list(_list_other_settings_grants(catalog))
    if others:
        yield "-- Lists in settings, prompts, and the names by which exports refer to other objects."
        yield from map(grantee.grant_select, others)


def _find_missing(catalog: Catalog) -> Iterator[str]:
    for table in _list_tables(catalog):
        if table.name not in catalog.tables:
            yield f"table {table.name}"
            continue
        for column in table.columns:
            is_present = column.name in catalog.tables[table.name]
            if not is_present and (table.name, column.name) not in OPTIONAL_COLUMNS:
                yield f"column {table.name}.{column.name}"


def _list_type_statements(catalog: Catalog, grantee: Grantee) -> Iterator[str]:
    """Yield the GRANT statements for the tables of types that are not readable."""
    for key in CHILD_KEYS.values():
        for table in catalog.unreadable_tables(key):
            columns = (item.column for item in _list_setting_columns(catalog, table))
            yield grantee.grant_select(Grant(table, (key, *columns)))


def _list_setting_columns(catalog: Catalog, child: str) -> Sequence[SettingColumn]:
    """Return the columns of a child table that contain settings, readable or not."""
    table = catalog.settings.get(child)
    columns = (*table.columns, *table.unreadable_columns) if table else ()
    return sorted(columns, key=attrgetter("column"))


def _list_other_settings_grants(catalog: Catalog) -> Iterator[Grant]:
    """Yield the privileges on tables of lists, on prompts, and on what settings refer to."""
    for table in catalog.settings.values():
        for item in (*table.lists, *table.unreadable_lists):
            yield Grant(item.table, (item.owner, item.item))
    if PROMPTS.name in catalog.tables:
        yield Grant(PROMPTS.name, _list_read_columns(PROMPTS))
    for natural in NATURAL_KEYS.values():
        columns = catalog.tables.get(natural.table, {})
        if natural.table not in METADATA.tables and {natural.pk, natural.column} <= columns.keys():
            yield Grant(natural.table, (natural.pk, natural.column))


def _list_missing_settings_grants(catalog: Catalog) -> Iterator[Grant]:
    """Yield the missing privileges on settings of readable types."""
    for table in catalog.settings.values():
        if table.unreadable_columns and catalog.can_read(table.child.name, table.child.key):
            columns = (item.column for item in table.unreadable_columns)
            yield Grant(table.child.name, tuple(columns))
    for grant in _list_other_settings_grants(catalog):
        if not catalog.can_read(grant.table, *grant.columns):
            yield grant


def _list_tables(catalog: Catalog) -> Iterator[Table]:
    """Yield the tables that authentik's database must have."""
    for table in METADATA.sorted_tables:
        is_absent_cache = table.name == CACHE_TABLE and not catalog.has_cached_plans
        is_optional = table.name in OPTIONAL_TABLES or table.name.startswith(FLOWQL_PREFIX)
        if not (is_absent_cache or is_optional):
            yield table


def _list_grants(catalog: Catalog) -> Iterator[Grant]:
    """Yield the privileges on all tables but that of tokens."""
    for table in _list_tables(catalog):
        if table is not TOKENS:
            yield _build_grant(table, _list_read_columns(table))


def _list_missing_grants(catalog: Catalog) -> Iterator[Grant]:
    for table in _list_tables(catalog):
        missing = _list_missing_columns(catalog, table)
        if missing and table is not TOKENS:
            yield _build_grant(table, missing)


def _list_missing_token_statements(catalog: Catalog, grantee: Grantee) -> Iterator[str]:
    missing = _list_missing_columns(catalog, TOKENS)
    if not missing or catalog.has_api_token_view:
        return
    if missing == _list_read_columns(TOKENS):
        yield from _list_token_statements(catalog, grantee)
    else:
        # The role reads the table, not the view.
        yield grantee.grant_select(_build_grant(TOKENS, missing))


def _list_token_statements(catalog: Catalog, grantee: Grantee) -> Iterator[str]:
    """Yield the statements for the view of tokens, or for their table if the view is unusable."""
    view = catalog.tables.get(API_TOKEN.name)
    if reason := view and _describe_view_error(view):
        yield f"-- The view {API_TOKEN.name} is not used, because {reason}. This grants all tokens:"
        yield grantee.grant_select(_build_grant(TOKENS, _list_read_columns(TOKENS)))
    else:
        yield from grantee.grant_api_tokens(has_view=view is not None)


def _describe_view_error(view: Mapping[str, bool | None]) -> str | None:
    """Return why the view of tokens must not be read, None if it may."""
    missing = [column.name for column in API_TOKEN.columns if column.name not in view]
    if missing:
        return f"it lacks {', '.join(missing)}"
    return f"its owner may not read {TOKENS.name}" if None in view.values() else None


def _list_read_columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if not column.info.get("unread"))


def _list_missing_columns(catalog: Catalog, table: Table) -> tuple[str, ...]:
    columns = catalog.tables[table.name]
    return tuple(name for name in _list_read_columns(table) if not columns[name])


def _build_grant(table: Table, columns: tuple[str, ...]) -> Grant:
    return Grant(table.name, () if len(columns) == len(table.columns) else columns)
