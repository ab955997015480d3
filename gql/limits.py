"""What a request may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each thing a request may have or take; all of it is refused beyond."""

    body: int = 100_000
    tokens: int = 2_000
    depth: int = 12
    aliases: int = 30
    directives: int = 50
    root_fields: int = 20
    cost: int = 10_000
    seconds: float = 10
    conditions: int = 100


DEFAULTS = Limits()
