"""Small projects that use FlowQL's schema by other people's tools.

Such a project is a folder tests/clients/<name>. A test works on a copy of it, beside schema.graphql and what its lock
pins, as somebody has it who writes a client of FlowQL.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.client_environments import client_modules, ended, node
from support.paths import CLIENTS, SCHEMA


@dataclass(frozen=True, slots=True)
class Said:
    """How a tool ended, and all that it printed."""

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Project:
    """A copy of a project, which a test may change."""

    home: Path

    @property
    def schema(self) -> Path:
        """The copy of schema.graphql."""
        return self.home / SCHEMA.name

    def change_schema(self, change: Callable[[str], str]) -> None:
        """Write another schema in the place of FlowQL's."""
        changed = change(self.schema.read_text())
        assert changed != self.schema.read_text()
        self.schema.write_text(changed)

    def run(self, script: str, *arguments: str) -> Said:
        """Run a script of the project's packages to its end, with no colours."""
        command = [node(), f"node_modules/{script}", *arguments]
        done = ended(command, self.home, NO_COLOR="1", CI="1")
        return Said(done.returncode, done.stdout + done.stderr)


def project(name: str, home: Path) -> Project:
    """Lay out tests/clients/<name> in a new folder, with its packages from npm."""
    copied(name, home)
    (home / "node_modules").symlink_to(client_modules(name) / "node_modules")
    return Project(home)


def copied(name: str, home: Path) -> Path:
    """Copy tests/clients/<name> into a new folder, and schema.graphql."""
    shutil.copytree(CLIENTS / name, home)
    shutil.copy(SCHEMA, home)
    return home
