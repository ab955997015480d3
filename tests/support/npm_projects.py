"""Small projects that use FlowQL's schema with third-party tools.

A project is a folder tests/clients/<name>. Tests work on a copy of it, with schema.graphql and
node_modules inside, as in the repository of a client of FlowQL.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.client_environments import install_npm_client, node_path, run_tool
from support.paths import CLIENTS, SCHEMA


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The exit status and the whole output of a tool."""

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
        """Replace the schema with a changed one; fails if the change has no effect."""
        changed = change(self.schema.read_text())
        assert changed != self.schema.read_text()
        self.schema.write_text(changed)

    def run(self, script: str, *arguments: str) -> ToolResult:
        """Run a script in node_modules without colors."""
        command = [node_path(), f"node_modules/{script}", *arguments]
        process = run_tool(command, self.home, NO_COLOR="1", CI="1")
        return ToolResult(process.returncode, process.stdout + process.stderr)


def create_project(name: str, home: Path) -> Project:
    """Copy tests/clients/<name> into a new folder and link its npm packages."""
    copy_project(name, home)
    (home / "node_modules").symlink_to(install_npm_client(name) / "node_modules")
    return Project(home)


def copy_project(name: str, home: Path) -> Path:
    """Copy tests/clients/<name> and schema.graphql into a new folder, and return it."""
    shutil.copytree(CLIENTS / name, home)
    shutil.copy(SCHEMA, home)
    return home
