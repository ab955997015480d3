"""The options of an export."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from models.errors import ExportError
from models.tables.flow import SLUG


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """New slugs by slug, and whether the stages of these flows are copied or shared."""

    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    copies_stages: bool = False

    def check(self, slugs: Collection[str]) -> None:
        """Raise ExportError unless flows with these slugs can have the new slugs."""
        for old, new in self.renames.items():
            if old not in slugs:
                raise ExportError(f"cannot rename {old!r}, which is not exported")
            if not SLUG.fullmatch(new):
                raise ExportError(
                    f"invalid slug {new!r}: expected letters, digits, '-' and '_' only"
                )
        for new, count in Counter(self.renames.values()).items():
            if count > 1 or new in slugs:
                raise ExportError(f"two flows would have the slug {new!r}: choose another one")
