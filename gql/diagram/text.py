"""Which characters of a text can be shown."""

import re

# What no XML 1.0 document can hold, not even escaped; and control characters that HTML takes for others.
UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
REPLACEMENT = "\ufffd"


def replace_unreadable(text: str) -> str:
    """The text with U+FFFD for each control character, and each lone surrogate."""
    return UNREADABLE.sub(REPLACEMENT, text)
