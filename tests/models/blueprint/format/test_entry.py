"""The messages of errors are lines of a limited length, with the place in the file."""

from models.blueprint.format.entry import MAX_MESSAGE_CHARACTERS, locate


def test_messages_have_a_limited_length() -> None:
    """The middle of a long one is left out: the end says why a long value is invalid."""
    message = locate("a.yaml", (1, 2), f"'x' refers to {'y' * 10_000}, which is missing")
    assert message.startswith("a.yaml:1:2: 'x' refers to yyy")
    assert message.endswith("y, which is missing")
    assert len(message) == len("a.yaml:1:2: …") + MAX_MESSAGE_CHARACTERS


def test_control_characters_are_escaped() -> None:
    """They would break the line, or move the cursor of a terminal."""
    assert locate("a\nb", (1, 1), "ü\x1b\u2028") == "a\\nb:1:1: ü\\x1b\\u2028"
