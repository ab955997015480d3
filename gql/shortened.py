"""Long values in the output of commands."""

MAX_LENGTH = 200
SHOWN_BEFORE_DIFFERENCE = 40


def shorten(text: str, start: int = 0) -> str:
    """Return a part of a long text from a start, with marks for what is left out."""
    end = start + MAX_LENGTH
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def shorten_pair(before: str, after: str) -> tuple[str, str]:
    """Return two texts, or if one is long, the parts of both around their first difference."""
    if max(len(before), len(after)) <= MAX_LENGTH:
        return before, after
    pairs = enumerate(zip(before, after, strict=False))
    shorter = min(len(before), len(after))
    difference = next((i for i, (left, right) in pairs if left != right), shorter)
    start = max(difference - SHOWN_BEFORE_DIFFERENCE, 0)
    return shorten(before, start), shorten(after, start)
