"""The columns of authentik's child tables that contain settings of stages and policies."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.tables.child_table import ChildTable


@dataclass(frozen=True, slots=True)
class SettingColumn:
    """A setting in a column of a child table; `name` is its name in blueprints."""

    name: str
    column: str


@dataclass(frozen=True, slots=True)
class SettingList:
    """A setting in a table with one row for each item: the columns of the owner and of the item."""

    name: str
    table: str
    owner: str
    item: str


# Compared by identity: as a part of a query, it is hashed for each read.
@dataclass(frozen=True, eq=False, slots=True)
class SettingsTable:
    """The settings in a child table, and in the tables of its lists.

    `secrets` are the names of settings that are never read. The role may not read the unreadable
    ones.
    """

    child: ChildTable
    columns: tuple[SettingColumn, ...] = ()
    lists: tuple[SettingList, ...] = ()
    secrets: tuple[str, ...] = ()
    unreadable_columns: tuple[SettingColumn, ...] = ()
    unreadable_lists: tuple[SettingList, ...] = ()

    @property
    def unreadable(self) -> Sequence[str]:
        """The names of the settings that the role may not read."""
        return [item.name for item in (*self.unreadable_columns, *self.unreadable_lists)]

    @property
    def references(self) -> frozenset[str]:
        """The names of the settings that refer to other objects."""
        columns = (item.name for item in self.columns if item.name != item.column)
        return frozenset((*columns, *(item.name for item in self.lists)))
