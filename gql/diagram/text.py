"""Replacement of characters that cannot be displayed."""

import re

# Characters that XML 1.0 forbids even when escaped, and C1 controls, which HTML parses as others.
UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
REPLACEMENT = "\ufffd"


def replace_unreadable(text: str) -> str:
    """Replace control characters and lone surrogates by U+FFFD."""
    return UNREADABLE.sub(REPLACEMENT, text)
