"""Sides of comparisons."""

from pathlib import Path

import pytest

from support.diff_sides import Sides


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    """Return a factory of sides."""
    return Sides(tmp_path)
