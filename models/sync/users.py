"""The primary keys of users, which are numbers that each system gives."""

from collections.abc import Collection, Iterable, Mapping
from itertools import count

from models.errors import SyncError
from models.systems.content import Record
from models.tables.access import RESERVED_PREFIX

# Higher numbers are left to the database.
MAX_ID = 2**31 - 2**20


def assign_ids(
    users: Iterable[Record], current: Mapping[str, int], taken: Collection[int]
) -> Mapping[int, int]:
    """Return the primary keys in FlowQL's own database, by those in authentik.

    A user takes authentik's unless another user keeps it: `taken` are those of rows that stay as
    they are, such as the users of tokens. Then the user keeps the key of its row, which `current`
    has by username, or gets a new one. Raises SyncError if a username is reserved.
    """
    names = {user.pk: _check_name(user) for user in users}
    used = set(taken)
    blocked: set[str | int] = set()
    while newly_blocked := {pk for pk in names if _is_blocked(pk, used) and pk not in blocked}:
        blocked |= newly_blocked
        used |= {current[names[pk]] for pk in newly_blocked if names[pk] in current}
    numbers = count(max([*used, *current.values(), *map(int, names.keys() - blocked), 0]) + 1)
    return {
        int(pk): (current.get(name) or next(numbers)) if pk in blocked else int(pk)
        for pk, name in names.items()
    }


def _is_blocked(pk: str | int, used: Collection[int]) -> bool:
    return pk in used or int(pk) > MAX_ID


def _check_name(user: Record) -> str:
    name: str = user.values[0]
    if name.startswith(RESERVED_PREFIX):
        raise SyncError(
            f"a binding uses a user whose name starts with {RESERVED_PREFIX!r}, which FlowQL"
            " reserves for its tokens: rename the user in authentik"
        )
    return name
