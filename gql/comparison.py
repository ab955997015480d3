"""The comparison of two sources, for the command line."""

import asyncio

from models.diff import compare as sides
from models.diff.changes import Difference
from models.diff.compare import CompareOptions
from models.diff.options import SCHEME, SideOptions
from models.diff.sources import open_side
from models.errors import DiffError
from models.garbage import without_cycle_collection

STANDARD_INPUT = "-"


async def compare(
    left: str, right: str, options: SideOptions, compare_options: CompareOptions
) -> Difference:
    """Return the changes from one source to the other.

    Raises BlueprintError, DatabaseError, DiffError or SyncError.
    """
    if left == right == STANDARD_INPUT:
        raise DiffError("standard input can only be one of the sides")
    with without_cycle_collection():
        is_alone = not (SCHEME.match(left) or SCHEME.match(right))
        # Both sides are read at the same time.
        left_side, right_side = await asyncio.gather(
            open_side(left, options, is_alone=is_alone),
            open_side(right, options, is_alone=is_alone),
        )
        return sides.compare(left_side, right_side, compare_options)
