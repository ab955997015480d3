"""Values are converted and refused as by the fields of Django REST framework."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import fields
from rest_framework.exceptions import ValidationError

from models.authentik.attributes import ATTRIBUTES
from models.authentik.secrets import SECRET
from models.blueprint.authentik import values
from models.blueprint.authentik.kinds import KINDS, MAX_INDEXED_LENGTH, Kind
from models.blueprint.authentik.values import UnexpectedValueError, convert_setting
from models.blueprint.format.entry import InvalidValueError
from support.reference.site import set_up_django

EMAIL_STAGE = "authentik_stages_email.emailstage"
CHOICES = ["all", "any", 6, "10"]
NOTHING = object()

set_up_django()

FIELDS = {
    "string": (values.check_string, fields.CharField(allow_blank=True)),
    "not empty": (values.check_not_empty, fields.CharField()),
    "short": (values.limit_length(values.check_not_empty, 3), fields.CharField(max_length=3)),
    "nullable": (values.allow_null(values.check_not_empty), fields.CharField(allow_null=True)),
    "slug": (values.check_slug, fields.SlugField()),
    "boolean": (values.check_boolean, fields.BooleanField()),
    "integer": (
        values.check_integer,
        fields.IntegerField(min_value=-(2**31), max_value=2**31 - 1),
    ),
    "seconds": (values.check_seconds, fields.IntegerField(min_value=0, max_value=2**31 - 1)),
    "number": (values.check_number, fields.FloatField()),
    "choice": (values.build_choice_check(CHOICES), fields.ChoiceField(CHOICES)),
    "uuid": (values.check_uuid, fields.UUIDField()),
    "list": (
        values.build_list_check(values.check_boolean),
        fields.ListField(child=fields.BooleanField()),
    ),
    "filled list": (
        values.build_list_check(values.check_string, can_be_empty=False),
        fields.ListField(child=fields.CharField(allow_blank=True), allow_empty=False),
    ),
}
EXAMPLES: Sequence[Any] = [
    None,
    *(True, False, 0, 1, 2, -1, 6, 10, 0.0, 1.0, 10.0, 10.5, 1e300, -0.0),
    *(2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63, 2**127, 2**128, 10**400),
    *("true", "True", "TRUE", "tRuE", "t", "T", "y", "Y", "yes", "YES", "on", "On", " true"),
    *("false", "FALSE", "f", "n", "N", "no", "No", "off", "OFF", "null", "None", "2"),
    *("10", " 10 ", "10.0", "10.", "10.000 \n", "10.5", "+10", "-10", "1_0", "0x10", "1e1", "ten"),
    *("٣", "inf", "nan", "9" * 1000, "9" * 1001, "." * 5000),
    *("", " ", "\n", " a ", "a b", "ab-c_D", "ab\n", "été", "a\0b", "\ud800", "abcd", "\u200b"),
    *("all", "any", "ANY", " any", "6", "6.0"),
    *("f1000000-0000-4000-8000-000000000001", "F1000000000040008000000000000001"),
    *("{f1000000-0000-4000-8000-000000000001}", "urn:uuid:f1000000-0000-4000-8000-000000000001"),
    *(" f1000000-0000-4000-8000-000000000001", "f1000000"),
    *(
        [],
        [1],
        ["yes"],
        [None],
        [[]],
        {},
        {"a": 1},
        date(2026, 1, 2),
        datetime(2026, 1, 2, tzinfo=UTC),
    ),
]
SHORT_EXAMPLES = [value for value in EXAMPLES if len(str(value)) <= MAX_INDEXED_LENGTH]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.text("0123456789.+-_eE \n٣", max_size=8),
    st.sampled_from([example for example in EXAMPLES if isinstance(example, str)]),
)


def convert(check: values.Check, value: Any) -> Any:
    """Return the converted value, or NOTHING if it is refused."""
    try:
        return check(value)
    except InvalidValueError:
        return NOTHING


def expect(field: fields.Field[Any, Any, Any, Any], value: Any) -> Any:
    """Return what the field of Django REST framework makes of the value, or NOTHING."""
    try:
        expected = field.run_validation(value)
    except ValidationError:
        return NOTHING
    return str(expected) if isinstance(expected, UUID) else expected


def is_excepted(name: str, value: Any) -> bool:
    """Return whether FlowQL refuses a value on purpose: true as a UUID, NaN as a number."""
    is_uuid = name == "uuid" and isinstance(value, bool)
    return is_uuid or (name == "number" and bool(re.search("nan|inf", str(value), re.IGNORECASE)))


@pytest.mark.parametrize("name", FIELDS)
def test_values_are_converted_as_by_their_field(name: str) -> None:
    """The results and their types equal those of Django REST framework."""
    check, field = FIELDS[name]
    examples = [value for value in EXAMPLES if not is_excepted(name, value)]

    converted = {repr(value): repr(convert(check, value)) for value in examples}

    assert converted == {repr(value): repr(expect(field, value)) for value in examples}


@given(st.sampled_from(sorted(FIELDS)), SCALARS | st.lists(SCALARS, max_size=3))
def test_random_values_are_converted_as_by_their_field(name: str, value: Any) -> None:
    """The result and its type equal those of Django REST framework."""
    check, field = FIELDS[name]
    if not is_excepted(name, value):
        assert repr(convert(check, value)) == repr(expect(field, value))


@pytest.mark.parametrize("value", ["nan", "-inf", float("inf"), float("nan")])
def test_numbers_are_finite(value: Any) -> None:
    """JSON has no other numbers."""
    with pytest.raises(InvalidValueError, match="must be a number"):
        values.check_number(value)


def test_a_number_with_too_many_digits_is_no_string() -> None:
    """Python does not write it."""
    with pytest.raises(InvalidValueError, match="must be a shorter number"):
        values.check_string(10**5000)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ten", "must be a 32-bit integer, not 'ten'"),
        (True, "must be a 32-bit integer, not true"),
        (1.5, "must be a 32-bit integer, not 1.5"),
        (2**31, "must be a 32-bit integer, not 2147483648"),
        (10**60, "must be a 32-bit integer, not a longer number"),
        ([1], "must be a 32-bit integer, not a list"),
        ({}, "must be a 32-bit integer, not a mapping"),
        (date(2026, 1, 2), "must be a 32-bit integer, not 2026-01-02"),
        (object(), "must be a 32-bit integer, not an object"),
        ("x" * 100, f"must be a 32-bit integer, not '{'x' * 60}'…"),
    ],
    ids=lambda item: type(item).__name__ if item.__class__ is object else repr(item)[:30],
)
def test_only_the_quoted_message_contains_the_value(value: Any, message: str) -> None:
    """The value of a tag or of a secret attribute is not quoted."""
    with pytest.raises(UnexpectedValueError) as caught:
        values.check_integer(value)

    assert (str(caught.value), caught.value.quoted) == ("must be a 32-bit integer", message)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (values.check_integer, None, "must not be null"),
        (values.check_seconds, -1, "must be an integer from 0 to 2147483647"),
        (values.check_not_empty, " ", "must not be empty"),
        (values.check_string, "\0", "must not contain NUL characters or surrogates"),
        (
            values.limit_length(values.check_not_empty, 3),
            "abcd",
            "must not be longer than 3 characters",
        ),
        (values.build_choice_check(CHOICES), "x", "must be one of all, any, 6, 10"),
        (values.check_slug, "a b", "must be a slug of letters, digits, '-' and '_'"),
        (values.build_list_check(values.check_boolean), [1, 7], "item 2 must be true or false"),
        (values.build_list_check(values.check_boolean), [None], "item 1 must not be null"),
    ],
)
def test_a_message_says_what_is_expected(check: values.Check, value: Any, message: str) -> None:
    """It completes a sentence that starts with the name of the field."""
    with pytest.raises(InvalidValueError) as caught:
        check(value)

    assert str(caught.value) == message


def test_the_quoted_message_of_an_item_has_its_number() -> None:
    """The value is that of the item."""
    with pytest.raises(UnexpectedValueError) as caught:
        values.build_list_check(values.check_boolean)(["yes", "maybe"])

    assert caught.value.quoted == "item 2 must be true or false, not 'maybe'"


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("port", "25", 25),
        ("use_tls", "yes", True),
        ("host", 127.1, "127.1"),
        ("subject", " Hello ", "Hello"),
        ("username", "", ""),
        ("unknown", " x ", " x "),
        ("unknown", {1: [date(2026, 1, 2)], None: "x"}, {"1": ["2026-01-02"], "null": "x"}),
        ("component", "ak-stage-email", "ak-stage-email"),
    ],
)
def test_a_setting_is_converted_to_its_type(attribute: str, value: Any, expected: Any) -> None:
    """Attributes that are not known keep their value, as far as JSON has it."""
    converted = convert_setting(EMAIL_STAGE, attribute, value)

    assert repr(converted) == repr(expected)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("port", "smtp"),
        ("use_tls", "maybe"),
        ("host", ""),
        ("host", None),
        ("from_address", "x" * 255),
        ("password", ["x"]),
        ("unknown", float("nan")),
        ("unknown", ["\0"]),
        ("unknown", {"\0": 1}),
        ("unknown", b"x"),
        ("unknown", [10**5000]),
        ("unknown", {10**5000: 1}),
    ],
)
def test_a_setting_that_the_serializer_refuses_is_refused(attribute: str, value: Any) -> None:
    """So are values that JSON does not have."""
    with pytest.raises(InvalidValueError):
        convert_setting(EMAIL_STAGE, attribute, value)


def test_the_digits_of_codes_are_a_number() -> None:
    """The stored choice is a number, however it is written."""
    model = "authentik_stages_authenticator_totp.authenticatortotpstage"

    assert [convert_setting(model, "digits", value) for value in (6, "8")] == [6, 8]


def test_references_stay_as_they_are() -> None:
    """A reference to an object outside the graph can be null."""
    reference = object()
    model = "authentik_stages_identification.identificationstage"

    assert convert_setting(model, "password_stage", reference) is reference
    assert convert_setting(model, "sources", [reference, None]) == [reference, None]


def test_a_masked_secret_is_accepted() -> None:
    """An exported blueprint has it in place of a secret or a private key, which are strings."""
    for name in ("password", "subject"):
        assert convert_setting(EMAIL_STAGE, name, dict(SECRET)) == SECRET
    with pytest.raises(InvalidValueError):
        convert_setting(EMAIL_STAGE, "port", dict(SECRET))


def test_null_is_an_empty_background() -> None:
    """Versions of authentik before 2025.12 ignore the attribute."""
    assert KINDS["flow"].fields["background"].check(None) == ""


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_fields_accept_what_attributes_do(kind: Kind) -> None:
    """The checks of the fields are those of authentik's API, except for slugs and backgrounds.

    Indexes limit the length of names.
    """
    for name, definition in kind.fields.items():
        attribute = ATTRIBUTES.get(kind.model, {}).get(name)
        if attribute and not definition.targets and name not in {"slug", "background"}:
            for value in (*SHORT_EXAMPLES, *attribute.choices, "x" * 200):
                converted = convert(definition.check, value)
                setting = convert(partial(convert_setting, kind.model, name), value)
                assert repr(converted) == repr(setting)
