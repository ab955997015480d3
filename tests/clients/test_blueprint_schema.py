"""Exports are valid in authentik's JSON Schema of blueprints, as far as it concerns flows.

`blueprint.schema.json` has the names, types and choices of authentik's schema for these models, and
allows no other names. References can be null, as in authentik's API, and the type of WebAuthn can
have its name of 2024.2, as in the samples.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
import yaml

from support.client_environments import check_tool, install_python_client
from support.command import run_in_process
from support.paths import CLIENTS
from support.postgres import PostgresServer
from support.settings_data import ODD, create_settings

SCHEMA = CLIENTS / "blueprint.schema.json"


class Loader(yaml.SafeLoader):
    """Replaces each tag by a UUID, which is a string and a key."""


def _construct_key(_loader: Loader, _suffix: str, _node: yaml.Node) -> str:
    return str(UUID(int=0))


cast(Any, Loader).add_multi_constructor("!", _construct_key)


def check(folder: Path, exports: Mapping[str, str]) -> None:
    """Check exports with check-jsonschema."""
    for name, text in exports.items():
        blueprint: Any = yaml.load(text, Loader)  # noqa: S506 - a safe loader
        entries = [entry for entry in blueprint["entries"] if entry["model"] != ODD]
        (folder / f"{name}.json").write_text(json.dumps({**blueprint, "entries": entries}))
    python = str(install_python_client("check-jsonschema"))
    files = [str(folder / f"{name}.json") for name in exports]
    check_tool([python, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), *files], folder)


def export(url: str) -> str:
    """Return the export of all flows."""
    process = run_in_process("export", "--all", "--database", url)
    assert process.returncode == 0, process
    return process.stdout


def test_exports_are_valid(sample_url: str, postgres: PostgresServer, tmp_path: Path) -> None:
    """Those of blueprints, and those of authentik's tables."""
    url = create_settings(postgres.create_database("schema_settings"))
    check(tmp_path, {"samples": export(sample_url), "authentik": export(url)})


def test_an_invalid_blueprint_is_found(sample_url: str, tmp_path: Path) -> None:
    """The schema knows the names of attributes."""
    text = export(sample_url).replace("compatibility_mode:", "compatibility:")
    with pytest.raises(RuntimeError, match="compatibility"):
        check(tmp_path, {"invalid": text})
