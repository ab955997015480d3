"""Which texts XML can hold."""

import re

# What no XML 1.0 document can hold, not even escaped.
UNREADABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
REPLACEMENT = "\ufffd"


def readable(text: str) -> str:
    """The text with U+FFFD for each character that XML cannot hold, a lone surrogate too."""
    return UNREADABLE.sub(REPLACEMENT, text)
