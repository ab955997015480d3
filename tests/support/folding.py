"""Case folding as the contract of REST searches defines it."""


def fold_by_contract(text: str) -> str:
    """Fold case as the contract defines it, one character to one character."""
    candidates = ((c.upper(), c.title(), c) for c in text)
    return "".join(next(c for c in folded if len(c) == 1) for folded in candidates)
