"""The store writes the planned changes of an import to the database, in bulk."""

import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Integer, Table, bindparam, delete, insert, text, update

from models.blueprint.authentik.kinds import (
    FLOW,
    GROUP,
    MODE_COLUMN,
    POLICY,
    POLICY_BINDING,
    PROMPT,
    STAGE,
    STAGE_BINDING,
    USER,
    Kind,
)
from models.blueprint.authentik.values import MINIMUM
from models.blueprint.rows.bulk_insert import Report, insert_records
from models.blueprint.rows.row import COLUMNS, Row
from models.blueprint.rows.row_table import PARENT_COLUMN, PARENT_TABLE, get_table, get_type_table
from models.blueprint.rows.working_set import Changes
from models.tables.metadata import METADATA

UserIds = Mapping[Any, int]

# A kind comes after those to which its rows refer.
INSERT_ORDER = (FLOW, STAGE, POLICY, PROMPT, GROUP, USER, STAGE_BINDING, POLICY_BINDING)
TYPE_COLUMNS = ("ptr_id", "model", "settings")
MODE_POSITION = -1
USER_POSITION = COLUMNS[POLICY_BINDING.name].index("user_id")
KEY = "row_key"
# The columns of other tables that refer to rows, by the kind of these.
REFERRING_COLUMNS = {
    "flow": ("flowql_tokenflow.flow_id",),
    "group": (
        "authentik_core_user_groups.group_id",
        "authentik_core_group_roles.group_id",
        "authentik_core_groupparentage.child_id",
        "authentik_core_groupparentage.parent_id",
    ),
    "user": ("authentik_core_user_groups.user_id", "authentik_core_user_roles.user_id"),
}


def write(connection: Connection, changes: Changes, report: Report = lambda _: None) -> None:
    """Write the changes in the transaction of the connection; raises IntegrityError.

    Calls `report` with the number of rows that each step has written.
    """
    # COPY does not begin SQLAlchemy's transaction, but any other statement does.
    connection.execute(text("SELECT 1"))
    for kind in reversed(INSERT_ORDER):
        report(_delete(connection, kind, _filter(changes.deleted, kind)))
    # A new user can have the old name of another one.
    report(_update(connection, USER, _filter(changes.changed, USER), {}))
    users = _filter(changes.created, USER)
    ids = _insert_users(connection, users)
    report(len(users))
    for kind in INSERT_ORDER:
        if kind is not USER:
            report(_update(connection, kind, _filter(changes.changed, kind), ids))
    for kind in INSERT_ORDER:
        if kind is not USER:
            _insert(connection, kind, _filter(changes.created, kind), ids, report)


def _filter(rows: Iterable[Row], kind: Kind) -> Sequence[Row]:
    return [row for row in rows if row.kind is kind]


def _delete(connection: Connection, kind: Kind, rows: Sequence[Row]) -> int:
    keys = [row.pk for row in rows]
    for reference in REFERRING_COLUMNS.get(kind.name, ()):
        table, _, column = reference.partition(".")
        _delete_keys(connection, METADATA.tables[table].c[column], keys)
    types = get_type_table(kind)
    if types is not None:
        _delete_keys(connection, types.c.ptr_id, keys)
    _delete_keys(connection, get_table(kind).c[kind.pk], keys)
    _delete_keys(connection, PARENT_TABLE.c.pbm_uuid, [row.parent for row in rows if row.parent])
    return len(rows)


def _delete_keys(connection: Connection, column: Column[Any], keys: Sequence[Any]) -> None:
    if keys:
        statement = delete(column.table).where(column == bindparam(KEY))
        connection.execute(statement, [{KEY: key} for key in keys])


def _update(connection: Connection, kind: Kind, rows: Sequence[Row], ids: UserIds) -> int:
    pk = get_table(kind).c[kind.pk]
    _update_rows(connection, pk, list(_free_keys(kind, rows)))
    extra = {"last_updated": datetime.now(UTC)} if kind is POLICY else {}
    _update_rows(connection, pk, [{KEY: row.pk, **_map_values(row, ids), **extra} for row in rows])
    if kind.has_parent:
        modes = [{KEY: row.parent, MODE_COLUMN: row.get(MODE_COLUMN)} for row in rows]
        _update_rows(connection, PARENT_TABLE.c.pbm_uuid, modes)
    types = get_type_table(kind)
    if types is not None:
        _update_types(connection, types, rows)
    return len(rows)


def _update_rows(
    connection: Connection, key: Column[Any], values: Sequence[Mapping[str, Any]]
) -> None:
    """Set the columns that the mappings name, in the rows with the key of each."""
    if values:
        connection.execute(update(key.table).where(key == bindparam(KEY)), values)


def _free_keys(kind: Kind, rows: Sequence[Row]) -> Iterator[Mapping[str, Any]]:
    """Yield temporary values for rows whose unique key another row takes over.

    The database checks unique keys after each statement, and rows can exchange theirs.
    """
    is_number = isinstance(get_table(kind).c[kind.unique[-1]].type, Integer)
    new_keys = [_find_key(row, row.values) for row in rows]
    taken = set(new_keys)
    for number, (row, new_key) in enumerate(zip(rows, new_keys, strict=True), MINIMUM):
        old_key = row.original and _find_key(row, row.original.values)
        if old_key != new_key and old_key in taken:
            yield {KEY: row.pk, kind.unique[-1]: number if is_number else str(uuid.uuid4())}


def _find_key(row: Row, values: Sequence[Any]) -> tuple[Any, ...]:
    columns = COLUMNS[row.kind.name]
    return tuple(values[columns.index(column)] for column in row.kind.unique)


def _map_values(row: Row, ids: UserIds) -> Mapping[str, Any]:
    return dict(zip(_list_columns(row.kind), _list_values(row, ids), strict=True))


def _update_types(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Update the types of rows, and insert those of rows without one."""
    untyped = [row for row in rows if row.original and row.original.model is None]
    insert_records(connection, table, TYPE_COLUMNS, _list_types(untyped))
    values = [
        {KEY: pk, "model": model, "settings": settings} for pk, model, settings in _list_types(rows)
    ]
    _update_rows(connection, table.c.ptr_id, values)


def _insert_users(connection: Connection, rows: Sequence[Row]) -> UserIds:
    """Insert users who cannot log in, and return their primary keys by provisional ones.

    Provisional keys are negative; others are stored as they are.
    """
    users = get_table(USER)
    numbered = [row for row in rows if int(row.pk) > 0]
    if numbered:
        connection.execute(insert(users), [{"id": row.pk, **_build_user(row)} for row in numbered])
    others = [row for row in rows if int(row.pk) < 0]
    if not others:
        return {}
    statement = insert(users).returning(users.c.id, sort_by_parameter_order=True)
    ids = connection.scalars(statement, [_build_user(row) for row in others])
    return dict(zip((row.pk for row in others), ids, strict=True))


def _build_user(row: Row) -> Mapping[str, Any]:
    now = datetime.now(UTC)
    return {
        **_map_values(row, {}),
        # Django's format of an unusable password.
        "password": f"!{secrets.token_urlsafe(30)}",
        "first_name": "",
        "last_name": "",
        "email": "",
        "is_active": False,
        "date_joined": now,
        "uuid": str(uuid.uuid4()),
        "path": "users",
        "type": "internal",
        "attributes": {},
        "password_change_date": now,
        "last_updated": now,
    }


def _insert(
    connection: Connection, kind: Kind, rows: Sequence[Row], ids: UserIds, report: Report
) -> None:
    if kind.has_parent:
        parents = ((row.parent, row.get(MODE_COLUMN)) for row in rows)
        insert_records(connection, PARENT_TABLE, ("pbm_uuid", MODE_COLUMN), parents)
    unread = _build_unread_columns(kind)
    columns = (*_list_keys(kind), *_list_columns(kind), *unread)
    records = ((*_list_key_values(row), *_list_values(row, ids), *unread.values()) for row in rows)
    insert_records(connection, get_table(kind), columns, records, report)
    types = get_type_table(kind)
    if types is not None:
        insert_records(connection, types, TYPE_COLUMNS, _list_types(rows))


def _build_unread_columns(kind: Kind) -> Mapping[str, Any]:
    """Return the columns of new rows that authentik requires and FlowQL never reads."""
    now = datetime.now(UTC)
    columns: Mapping[str, Mapping[str, Any]] = {
        "group": {"is_superuser": False, "attributes": {}},
        "policy": {"created": now, "last_updated": now},
        "policy binding": {"expiring": False},
    }
    return columns.get(kind.name, {})


def _list_keys(kind: Kind) -> Sequence[str]:
    """Return the columns of the primary key and of the parent's key, if there is a parent."""
    return (kind.pk, PARENT_COLUMN) if kind.has_parent else (kind.pk,)


def _list_key_values(row: Row) -> Sequence[Any]:
    return (row.pk, row.parent) if row.kind.has_parent else (row.pk,)


def _list_columns(kind: Kind) -> Sequence[str]:
    """Return the columns of the table, without the mode, which is in that of parents."""
    return [column for column in COLUMNS[kind.name] if column != MODE_COLUMN]


def _list_values(row: Row, ids: UserIds) -> Sequence[Any]:
    """Return the values of `_list_columns`."""
    if row.kind.has_parent:
        return row.values[:MODE_POSITION]
    if row.kind is POLICY_BINDING:
        user_id = row.values[USER_POSITION]
        return (
            *row.values[:USER_POSITION],
            ids.get(user_id, user_id),
            *row.values[USER_POSITION + 1 :],
        )
    return row.values


def _list_types(rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
    return ((row.pk, row.model, row.settings) for row in rows if row.model is not None)
