"""Fixtures of the tests of execution."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import graphql
import pytest

from gql.execution import documents, validation
from gql.execution.compiler import Compilation


@dataclass(frozen=True, slots=True)
class CountedFunction:
    """A function that counts its calls."""

    function: Callable[..., Any]
    calls: Counter[str]

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.calls[self.function.__name__] += 1
        return self.function(*args, **options)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The number of calls that parse, validate, compile, and execute by graphql-core."""
    counter = Counter[str]()
    for module, name in ((documents, "parse"), (validation, "validate"), (graphql, "execute")):
        monkeypatch.setattr(module, name, CountedFunction(getattr(module, name), counter))
    compile_ = CountedFunction(Compilation.compile, counter)
    monkeypatch.setattr(Compilation, "compile", property(lambda self: partial(compile_, self)))
    return counter
