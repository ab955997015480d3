"""The placeholders of an export: what an import must provide, since the export does not contain it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from models.blueprint.format.entry import Tag

SECRETS = "Secrets are not exported. Set these environment variables for the import:"
REFERENCES = (
    "These settings refer to objects that could not be read, or that do not exist. Set these keys of"
    " the context for the import, to primary keys:"
)


@dataclass(frozen=True, slots=True)
class Placeholders:
    """The names of environment variables and of context keys, with what they stand for."""

    secrets: dict[str, str] = field(default_factory=dict[str, str])
    references: dict[str, str] = field(default_factory=dict[str, str])

    def add_secret(self, owner: str, name: str) -> Tag:
        """Return the tag that reads a secret from the environment."""
        variable = re.sub(r"[^A-Z0-9]+", "_", f"{owner}_{name}".upper()).strip("_")
        return Tag("!Env", _add(self.secrets, variable, f"{name} of the {owner}"))

    def add_reference(self, owner: str, name: str) -> Tag:
        """Return the tag that reads a primary key from the context."""
        key = re.sub(r"[^a-z0-9]+", "_", f"{owner}_{name}".lower()).strip("_")
        return Tag("!Context", _add(self.references, key, f"{name} of the {owner}"))

    def list_comments(self) -> Iterator[str]:
        """Yield the lines of comments about all placeholders."""
        for title, names in ((SECRETS, self.secrets), (REFERENCES, self.references)):
            if names:
                yield title
                yield from (f"- {name}: {text}" for name, text in names.items())


def _add(names: dict[str, str], name: str, text: str) -> str:
    """Add a name, with a number if it stands for something else already, and return it."""
    number, unique = 1, name
    while names.setdefault(unique, text) != text:
        number += 1
        unique = f"{name}_{number}"
    return unique
