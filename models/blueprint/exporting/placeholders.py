"""The placeholders of an export: what an import must provide, since the export does not contain it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from models.blueprint.format.entry import Tag

SECRETS = "Secrets are not exported. Set these environment variables for the import:"
VALUES = (
    "Secrets are not exported. Set these keys of the context for the import, to lists or mappings:"
)
REFERENCES = (
    "These settings refer to objects that could not be read, or that do not exist. Set these keys of"
    " the context for the import, to primary keys:"
)


@dataclass(frozen=True, slots=True)
class Placeholders:
    """The names of environment variables and of context keys, by the settings that they stand for.

    `values` are keys for secrets that are no strings, which the environment cannot contain.
    """

    secrets: dict[str, str] = field(default_factory=dict[str, str])
    values: dict[str, str] = field(default_factory=dict[str, str])
    references: dict[str, str] = field(default_factory=dict[str, str])

    def add_secret(self, owner: str, path: str, *, is_text: bool = True) -> Tag:
        """Return the tag for a secret of the owner at this path."""
        if not is_text:
            return Tag("!Context", _add(self.values, _build_key(owner, path), owner, path))
        return Tag("!Env", _add(self.secrets, _build_key(owner, path).upper(), owner, path))

    def add_reference(self, owner: str, path: str) -> Tag:
        """Return the tag for a primary key."""
        return Tag("!Context", _add(self.references, _build_key(owner, path), owner, path))

    def list_comments(self) -> Iterator[str]:
        """Yield the lines of comments about all placeholders."""
        titles = ((SECRETS, self.secrets), (VALUES, self.values), (REFERENCES, self.references))
        for title, names in titles:
            if names:
                yield title
                yield from (f"- {name}: {text}" for name, text in names.items())


def _build_key(owner: str, path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", f"{owner}_{path}".lower()).strip("_")


def _add(names: dict[str, str], name: str, owner: str, path: str) -> str:
    """Add a name, with a number if it stands for something else already, and return it."""
    text = f"{path} of the {owner}"
    number, unique = 1, name
    while names.setdefault(unique, text) != text:
        number += 1
        unique = f"{name}_{number}"
    return unique
