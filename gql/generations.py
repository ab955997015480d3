"""The generations of authentik's flow API, and the versions of authentik that belong to each."""

import re
from collections.abc import Sequence
from typing import NamedTuple

VERSION = re.compile(r"(\d{4})\.(\d{1,2})(?:\.(\d{1,4}))?(?:-rc\d{1,4})?", re.ASCII)
# A version without a patch is the last one, as in the tags of authentik's images.
LAST_PATCH = 10_000


class Generation(NamedTuple):
    """Versions of authentik that return the same keys.

    `name` is one of them, which names the generation in paths and settings. `first` is the first
    version, as year, month and patch.
    """

    name: str
    first: tuple[int, int, int]
    versions: str


GENERATIONS: Sequence[Generation] = (
    Generation("2025.6", (2024, 2, 0), "2024.2 to 2025.6"),
    Generation("2025.10", (2025, 8, 0), "2025.8 to 2025.10"),
    Generation("2025.12.0", (2025, 12, 0), "2025.12.0 and 2025.12.1"),
    Generation("2026.8", (2025, 12, 2), "2025.12.2 and later"),
)


def find_generation(version: str) -> Generation:
    """Return the generation of a version of authentik. Raises ValueError.

    A version that is later than all known ones belongs to the last generation.
    """
    match = VERSION.fullmatch(version)
    if match:
        year, month, patch = match.groups()
        number = int(year), int(month), LAST_PATCH if patch is None else int(patch)
        for generation in reversed(GENERATIONS):
            if generation.first <= number:
                return generation
    raise ValueError(
        f"invalid version {version!r}: expected a version of authentik such as 2025.10, of one of"
        f" the ranges {', '.join(generation.versions for generation in GENERATIONS)}"
    )
