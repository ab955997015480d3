"""authentik's child tables, one for each type of stage or policy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChildTable:
    """A child table of authentik. The column `key` is its primary key."""

    name: str
    key: str

    @property
    def model(self) -> str:
        """The blueprint model of the type: application and model, split at the last `_`."""
        return ".".join(self.name.rsplit("_", 1))
