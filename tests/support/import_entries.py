"""Entries for tests of imports."""

import re
from collections.abc import Iterable
from typing import Any

from support.imports import Store

FLOW = (
    "- model: authentik_flows.flow\n  identifiers: {slug: SLUG}\n"
    "  attrs: {name: Gate, title: Gate, designation: recovery}\n"
)


STAGE = "- {model: authentik_stages_dummy.dummystage, id: bell, identifiers: {name: bell}}\n"


# A stage of a model that no authentik has. It keeps any attribute.
EXAMPLE = "- model: authentik_stages_example.examplestage\n  identifiers: {name: example}\n"


def flow(slug: str) -> str:
    """Return the entry of a flow."""
    return FLOW.replace("SLUG", slug)


def read_example(store: Store) -> Any:
    """Return the stored settings of EXAMPLE."""
    return store.read().stages["example"]["settings"]


def sort_errors(messages: Iterable[str]) -> list[tuple[int, str]]:
    """Return the messages that have a line, by line."""
    found = ((re.search(r"\.yaml:(\d+):\d+: ", message), message) for message in messages)
    return sorted((int(match[1]), message) for match, message in found if match)


REFERENCE = """\
- model: authentik_stages_redirect.redirectstage
  identifiers: {name: to-SLUG}
  attrs: {mode: flow, target_flow: !Find [authentik_flows.flow, [slug, SLUG]]}
"""


def refer(slug: str) -> str:
    """Return the entry of a stage that refers to a flow."""
    return REFERENCE.replace("SLUG", slug)
