"""How many requests the fuzz tests sent, told when all is done."""

from collections import Counter

import pytest

FUZZED = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.stash[FUZZED] = Counter()


@pytest.fixture(scope="session")
def fuzzed(pytestconfig: pytest.Config) -> Counter[str]:
    """The number of requests by how they were sent; tests add theirs."""
    return pytestconfig.stash[FUZZED]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the numbers."""
    for how, count in terminalreporter.config.stash[FUZZED].items():
        terminalreporter.write_line(f"fuzzed: {count:,} requests {how}")
