"""authentik's tables for types of stages and policies."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChildTable:
    """One of authentik's tables for a type of stage or policy, keyed by `key`."""

    name: str
    key: str

    @property
    def model(self) -> str:
        """The type's blueprint model: the application and the model, split at the last `_`."""
        return ".".join(self.name.rsplit("_", 1))
