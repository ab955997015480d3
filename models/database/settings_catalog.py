"""The catalog of settings: which columns of authentik's child tables FlowQL reads, and which never."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from models.authentik.attributes import ATTRIBUTES
from models.authentik.secrets import is_secret
from models.database.statement import RawSQL
from models.tables.child_table import ChildTable, build_table_name
from models.tables.settings_table import SettingColumn, SettingList, SettingsTable

# Django appends this to the name of a reference.
REFERENCE_SUFFIX = "_id"
# Django's table of a list has these columns: an ID, the owner and the item.
LIST_TABLE_WIDTH = 3

# The columns of the child tables, and of the tables with a foreign key to one of them: whether the
# role may read it, whether its type can contain a secret, and the table that it refers to. `keys` are
# the primary keys of child tables.
SETTINGS_COLUMNS = RawSQL(
    "WITH tables AS (SELECT class.oid, relname FROM pg_catalog.pg_class AS class"
    " JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relnamespace"
    " WHERE nspname = :schema AND relkind IN ('r', 'p')),"
    " references_ AS (SELECT conrelid, conkey[1] AS column_, confrelid"
    " FROM pg_catalog.pg_constraint WHERE contype = 'f' AND cardinality(conkey) = 1),"
    " children AS (SELECT oid FROM tables JOIN pg_catalog.pg_attribute ON attrelid = oid"
    " WHERE attname = ANY(CAST(:keys AS text[])) AND NOT attisdropped)"
    " SELECT tables.relname::text, attname::text,"
    " has_column_privilege(tables.oid, attnum, 'SELECT'),"
    # Numbers, booleans, dates and UUIDs contain no secrets.
    " coalesce(element.typcategory, type.typcategory) NOT IN ('B', 'D', 'N', 'T')"
    " AND coalesce(element.typname, type.typname) <> 'uuid',"
    " target.relname::text"
    " FROM tables JOIN pg_catalog.pg_attribute ON attrelid = tables.oid"
    " JOIN pg_catalog.pg_type AS type ON type.oid = atttypid"
    " LEFT JOIN pg_catalog.pg_type AS element"
    " ON element.oid = type.typelem AND type.typcategory = 'A'"
    " LEFT JOIN references_ ON conrelid = tables.oid AND column_ = attnum"
    " LEFT JOIN pg_catalog.pg_class AS target ON target.oid = confrelid"
    " WHERE attnum > 0 AND NOT attisdropped AND (tables.oid IN (SELECT oid FROM children)"
    " OR tables.oid IN (SELECT conrelid FROM references_ JOIN children ON oid = confrelid))"
    " ORDER BY tables.relname, attname"
)


class SettingsColumn(NamedTuple):
    """A row of SETTINGS_COLUMNS; `target` is the table that the column refers to."""

    table: str
    name: str
    is_readable: bool
    can_be_secret: bool
    target: str | None


def build_settings_tables(
    children: Iterable[ChildTable], rows: Iterable[Sequence[object]]
) -> Mapping[str, SettingsTable]:
    """Return the settings of each child table by its name, from the rows of SETTINGS_COLUMNS."""
    columns: defaultdict[str, list[SettingsColumn]] = defaultdict(list)
    for row in rows:
        column = SettingsColumn(*row)  # pyright: ignore[reportArgumentType] - a row of the catalog
        columns[column.table].append(column)
    return {child.name: _build_table(child, columns) for child in children}


def _build_table(
    child: ChildTable, columns: Mapping[str, Sequence[SettingsColumn]]
) -> SettingsTable:
    readable: list[SettingColumn] = []
    unreadable: list[SettingColumn] = []
    secrets: list[str] = []
    for column in columns.get(child.name, ()):
        name = _name_setting(column)
        if column.can_be_secret and not column.target and is_secret(child.model, name):
            secrets.append(name)
        elif column.name != child.key:
            (readable if column.is_readable else unreadable).append(
                SettingColumn(name, column.name)
            )
    lists = list(_find_lists(child, columns))
    return SettingsTable(
        child,
        tuple(readable),
        tuple(item for item, is_readable in lists if is_readable),
        tuple(secrets),
        tuple(unreadable),
        tuple(item for item, is_readable in lists if not is_readable),
    )


def _name_setting(column: SettingsColumn) -> str:
    return column.name.removesuffix(REFERENCE_SUFFIX) if column.target else column.name


def _find_lists(
    child: ChildTable, columns: Mapping[str, Sequence[SettingsColumn]]
) -> Iterator[tuple[SettingList, bool]]:
    """Yield the lists of a child table, and whether they are readable."""
    for table, members in columns.items():
        name = _name_list(child, table)
        references = [column for column in members if column.target]
        is_list = len(members) == LIST_TABLE_WIDTH and len(references) == LIST_TABLE_WIDTH - 1
        owners = [column for column in references if column.target == child.name]
        if not (name and is_list and owners):
            continue
        # A list of objects of the same table has the columns from_x_id and to_x_id, in this order.
        owner = owners[0]
        [item] = [column for column in references if column is not owner]
        is_readable = owner.is_readable and item.is_readable
        yield SettingList(name, table, owner.name, item.name), is_readable


def _name_list(child: ChildTable, table: str) -> str | None:
    """Return the setting whose items a table contains, None if it contains no list of the child.

    Django replaces the end of a long name by a hash: these settings are found among the known ones.
    """
    prefix = f"{child.name}_"
    names = [*ATTRIBUTES.get(child.model, ())]
    if table.startswith(prefix):
        names.append(table.removeprefix(prefix))
    return next((name for name in names if build_table_name(child.name, name) == table), None)
