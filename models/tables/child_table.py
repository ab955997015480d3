"""authentik's child tables, one for each type of stage or policy."""

import hashlib
from dataclasses import dataclass

# The primary keys of the tables, by what their rows are.
CHILD_KEYS = {"stages": "stage_ptr_id", "policies": "policy_ptr_id"}
# PostgreSQL's maximum, and the number of digits of a hash by which Django replaces the end.
MAX_NAME_LENGTH = 63
HASH_LENGTH = 4


@dataclass(frozen=True, slots=True)
class ChildTable:
    """A child table of authentik. The column `key` is its primary key.

    `model` is the blueprint model of the type, `application.model`.
    """

    name: str
    key: str
    model: str


def build_table_name(app_label: str, model: str) -> str:
    """Return the name of a model's table, which Django shortens if it is too long."""
    name = f"{app_label}_{model}"
    if len(name) <= MAX_NAME_LENGTH:
        return name
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return name[: MAX_NAME_LENGTH - HASH_LENGTH] + digest[:HASH_LENGTH]


def guess_model(name: str) -> str:
    """Return the likely model of a table: application and model, split at the last `_`."""
    return ".".join(name.rsplit("_", 1))
