"""Scalars of YAML 1.1 as Python values, as PyYAML's safe loader converts them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

PREFIX = "tag:yaml.org,2002:"
MERGE = object()
TYPES = [
    f"{PREFIX}{name}" for name in ("null", "bool", "int", "float", "binary", "timestamp", "str")
]
# Scalars of these types are strings. YAML gives "=" a meaning that nothing uses.
STRING_TYPES = (f"{PREFIX}str", f"{PREFIX}value")
# Longer scalars are no numbers, dates or booleans. Some long integers take minutes to convert.
MAX_CHARACTERS = 1000
CONSTRUCTOR = SafeConstructor()
CONSTRUCTORS = cast(Mapping[str, Any], SafeConstructor.yaml_constructors)
Patterns = Mapping[str, Sequence[tuple[str, re.Pattern[str]]]]
PATTERNS = cast(Patterns, cast(Any, Resolver).yaml_implicit_resolvers)


def resolve_plain(text: str) -> Any:
    """Return the value of a scalar without quotes and tag; raises ValueError.

    The key of merges, `<<`, is MERGE.
    """
    for name, pattern in PATTERNS.get(text[:1], ()):
        if pattern.match(text):
            return _convert(name, text)
    return text


def _convert(name: str, text: str) -> Any:
    if name == f"{PREFIX}merge":
        return MERGE
    return text if name in STRING_TYPES else construct(name, text)


def construct(name: str, text: str) -> Any:
    """Return the value of a scalar of a standard type of YAML; raises ValueError."""
    if name == f"{PREFIX}str":
        return text
    try:
        return _construct(name, text)
    except (ArithmeticError, AttributeError, LookupError, ValueError, yaml.YAMLError):
        raise ValueError(f"invalid {name.removeprefix(PREFIX)} value") from None


def _construct(name: str, text: str) -> Any:
    if len(text) > MAX_CHARACTERS and name != f"{PREFIX}binary":
        raise ValueError
    node = yaml.ScalarNode(name, text)
    return CONSTRUCTORS[name](CONSTRUCTOR, node)
