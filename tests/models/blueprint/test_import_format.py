"""The format of entries: documents, identifiers, and the conversion of values."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from support.import_entries import EXAMPLE, STAGE, flow, read_example, sort_errors
from support.imports import Store, find_summary

INVALID_IDENTIFIERS = {
    "- {model: authentik_flows.flow, identifiers: {slug: door, colour: red}, attrs: {name: x}}": "colour",
    "- {model: authentik_flows.flow, identifiers: {colour: red}}": "colour",
    "- {model: authentik_flows.flow, identifiers: {slug__foo: door}}": "slug__foo",
    "- {model: authentik_flows.flow, attrs: {slug: door}}": "identifiers",
    "- {model: authentik_flows.flow, identifiers: {pk: 5, slug: door}}": "pk",
    "- {model: authentik_core.group, identifiers: {nme: staff}}": "nme",
    "- {model: authentik_flows.flow, identifiers: {'': door}}": "''",
    "- {model: authentik_flows.flow, identifiers: {slug__regex: door}}": "regular expression",
    "- {model: authentik_flows.flow, identifiers: {slug: door, slug__range: [a]}}": "range",
    "- {model: authentik_flows.flow, identifiers: {slug__isnull: a}}": "isnull",
    "- {model: authentik_flows.flow, identifiers: {slug__gt: null}}": "null",
    "- {model: authentik_stages_dummy.dummystage, identifiers: {name: a, order__in: 5}}": "list",
}


@pytest.mark.parametrize("entry", INVALID_IDENTIFIERS)
def test_invalid_identifiers(store: Store, entry: str) -> None:
    """The error has the place, and names the field."""
    [message, *_] = store.refuse(f"{entry}\n")
    assert message.startswith(f"{store.folder / '1.yaml'}:3:")
    assert INVALID_IDENTIFIERS[entry] in message


@pytest.mark.parametrize(
    "entry",
    [
        "core.user, identifiers: {email: a@example.com}, attrs: {username: ann, name: Ann}",
        "core.group, identifiers: {attributes: {a: 1}}, attrs: {name: staff}",
    ],
)
def test_identifiers_that_are_not_stored(store: Store, entry: str) -> None:
    """The name identifies a user or a group of which FlowQL does not store the identifiers."""
    document = f"- {{model: authentik_{entry}}}\n"
    assert find_summary(store.load(document)).startswith("1 created, 0 updated, 0 unchanged")
    assert find_summary(store.load(document)).startswith("0 created, 0 updated, 1 unchanged")


def test_identifiers_override_attributes(store: Store) -> None:
    """As in authentik, the object keeps the values by which it is identified."""
    for _ in range(2):
        store.load(flow("door").replace("name: Gate", "name: Gate, slug: other"))
    assert list(store.read().flows) == ["door"]


def test_mappings_of_identifiers_and_attributes_merge(store: Store) -> None:
    """As in authentik, a mapping that identifies an object is part of the attribute."""
    entry = EXAMPLE.replace("example}", "example, options: {a: 1, b: 1}}")
    entry += "  attrs: {options: {b: 2, c: 2}}\n"
    store.load(entry)
    assert read_example(store) == {"options": {"a": 1, "b": 1, "c": 2}}
    assert find_summary(store.load(entry)).startswith("0 created, 0 updated, 1 unchanged")


def test_ids_may_repeat(store: Store) -> None:
    """`!KeyOf` refers to the first entry with this id that declares an object."""
    skipped = flow("skipped").replace(
        "  identifiers", "  id: x\n  conditions: [false]\n  identifiers"
    )
    doors = (flow(slug).replace("  identifiers", "  id: x\n  identifiers") for slug in ("a", "b"))
    binding = (
        "- {model: authentik_flows.flowstagebinding,"
        " identifiers: {target: !KeyOf x, stage: !KeyOf bell, order: 0}}\n"
    )
    store.load(skipped + "".join(doors) + STAGE + binding)
    assert store.read().steps == [("a", 0, "bell")]


DOCUMENTS = {
    "a list": f"version: 1\nmetadata: {{name: doors, labels: {{a: b}}}}\nentries:\n{flow('door')}",
    "no version": f"entries:\n{flow('door')}",
    "sections": (
        "version: 1\nentries:\n  first:\n  - {model: authentik_stages_dummy.dummystage,"
        " identifiers: {name: bell}}\n  empty:\n  none: []\n  last:\n"
        "  - {model: authentik_flows.flow, identifiers: {slug: door},"
        " attrs: {name: Door, title: Door, designation: recovery}}\n"
    ),
    "JSON": (
        '{"version": 1, "entries": [{"model": "authentik_flows.flow", "identifiers":'
        ' {"slug": "door"}, "attrs": {"name": "D", "title": "D", "designation": "recovery"}}]}'
    ),
    "a model in another case": f"entries:\n{flow('door').replace('flows.flow', 'Flows.FLOW')}",
    "permissions": (
        f"entries:\n{flow('door')}  permissions: [{{permission: view_flow, user: !Find [x],"
        " role: !KeyOf nobody}]\n"
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_outer_forms(store: Store, name: str) -> None:
    """The version, metadata and permissions are optional, and entries may be in named sections."""
    assert "0 skipped" in find_summary(store.load(DOCUMENTS[name]))
    assert list(store.read().flows) == ["door"]


@pytest.mark.parametrize("document", ["version: 1\nentries: []", "entries:\n", "entries: {a: }"])
def test_document_without_entries(store: Store, document: str) -> None:
    """Nothing is imported, and nothing is wrong."""
    report = find_summary(store.load(document))
    assert report.startswith("0 created, 0 updated, 0 unchanged, 0 deleted, 0 skipped")


@pytest.mark.parametrize(
    "document", ["version: 2\nentries: []", "version: x\nentries: []", "entries: 5", "entries: [5]"]
)
def test_other_documents_are_invalid(store: Store, document: str) -> None:
    """The error has the file, the line and the column."""
    [message, *_] = store.refuse(document)
    assert message.startswith(f"{store.folder / '1.yaml'}:1:")


JSON_VALUES: Mapping[str, Any] = {
    "{null: 1, true: 2, 1.5: 3, 7: 4, 2024-01-01: 5}": {
        "null": 1,
        "true": 2,
        "1.5": 3,
        "7": 4,
        "2024-01-01": 5,
    },
    "[2024-01-01, 2024-01-01 10:00:00]": ["2024-01-01", "2024-01-01T10:00:00"],
    "!!omap [a: 1]": [["a", 1]],
}


def test_settings_are_json(store: Store) -> None:
    """Keys and dates become strings, as in authentik; a second import changes nothing."""
    attrs = "".join(f"    a{number}: {value}\n" for number, value in enumerate(JSON_VALUES))
    store.load(f"{EXAMPLE}  attrs:\n{attrs}")
    assert list(read_example(store).values()) == list(JSON_VALUES.values())
    report = find_summary(store.load(f"{EXAMPLE}  attrs:\n{attrs}"))
    assert report.startswith("0 created, 0 updated, 1 unchanged")


def test_settings_that_json_does_not_have(store: Store) -> None:
    """Each is an error with its line."""
    values = ("!!binary aGVsbG8=", "!!set {x, y}", "[.nan]", "{a: -.inf}", "{a: !!binary aGk=}")
    errors = sort_errors(
        store.refuse("".join(f"{EXAMPLE}  attrs: {{a: {value}}}\n" for value in values))
    )
    assert [line for line, _ in errors] == list(range(5, 5 + 3 * len(values), 3))


TRUE = ("'true'", "True", "'TRUE'", "'t'", "'yes'", "'Y'", "'on'", "'On'", "1", "'1'", "true")


FALSE = ("'false'", "'False'", "'f'", "'no'", "'N'", "'off'", "0", "'0'", "false")


NOT_BOOLEAN = ("maybe", "2", "''", "[]", "{}", "null")


NUMBERS = {"'10'": 10, "' 10 '": 10, "10.0": 10, "'10.0'": 10, "-1": -1, "'-1'": -1, "0": 0}


NOT_NUMBERS = ("true", "ten", "''", "1.5", "'1.5'", "[]", "null", str(2**31), "'0x10'")


def list_prompts(name: str, values: Iterable[str]) -> str:
    """Return a prompt for each value of a field, on one line each."""
    return "".join(
        f"- {{model: authentik_stages_prompt.prompt, identifiers: {{name: p{number:02}}}, attrs:"
        f" {{field_key: a, label: a, type: text, {name}: {value}}}}}\n"
        for number, value in enumerate(values)
    )


def test_booleans_are_read_as_by_serializers(store: Store) -> None:
    """The words and numbers that authentik accepts are stored as booleans."""
    values = (*TRUE, *FALSE)
    store.load(list_prompts("required", values))
    prompts = store.read().prompts
    stored = [prompts[name]["required"] for name in sorted(prompts)]
    assert dict(zip(values, stored, strict=True)) == {value: value in TRUE for value in values}


def test_numbers_are_read_as_by_serializers(store: Store) -> None:
    """Strings of digits and whole fractions are integers."""
    store.load(list_prompts("order", NUMBERS))
    prompts = store.read().prompts
    stored = [prompts[name]["order"] for name in sorted(prompts)]
    assert dict(zip(NUMBERS, stored, strict=True)) == NUMBERS


@pytest.mark.parametrize(
    ("name", "values"), [("required", NOT_BOOLEAN), ("order", NOT_NUMBERS)], ids=str
)
def test_other_values_are_invalid(store: Store, name: str, values: Sequence[str]) -> None:
    """Each error names the field, and its line."""
    errors = sort_errors(store.refuse(list_prompts(name, values)))
    assert [line for line, _ in errors] == list(range(3, 3 + len(values)))
    assert all(f"'{name}'" in message for _, message in errors)


def test_strings_are_read_as_by_serializers(store: Store) -> None:
    """Numbers become strings, and spaces around them are removed."""
    store.load(
        "- {model: authentik_flows.flow, identifiers: {slug: 2024},"
        " attrs: {name: ' Gate ', title: 1.5, designation: recovery}}\n"
    )
    [row] = store.read().flows.values()
    assert (row["name"], row["title"]) == ("Gate", "1.5")


def test_settings_of_known_types_are_coerced(store: Store) -> None:
    """Settings of stages and policies are stored with the types of authentik's serializers."""
    store.load(
        "- {model: authentik_stages_password.passwordstage, identifiers: {name: p},"
        " attrs: {failed_attempts_before_cancel: '5', allow_show_password: 'yes'}}\n"
        "- {model: authentik_policies_password.passwordpolicy, identifiers: {name: length},"
        " attrs: {length_min: '10', check_zxcvbn: 'true', symbol_charset: 10,"
        " execution_logging: 'on'}}\n"
    )
    content = store.read()
    assert content.stages["p"]["settings"] == {
        "failed_attempts_before_cancel": 5,
        "allow_show_password": True,
    }
    assert content.policies["length"] == {
        "execution_logging": True,
        "model": "authentik_policies_password.passwordpolicy",
        "settings": {"length_min": 10, "check_zxcvbn": True, "symbol_charset": "10"},
    }


def test_settings_of_known_types_can_be_invalid(store: Store) -> None:
    """A serializer would refuse them as well."""
    [message, *_] = store.refuse(
        "- {model: authentik_stages_password.passwordstage, identifiers: {name: p},"
        " attrs: {failed_attempts_before_cancel: many}}\n"
    )
    assert "failed_attempts_before_cancel" in message


def test_settings_are_updated_one_by_one(store: Store) -> None:
    """Settings that a later entry does not contain keep their values."""
    stage = "- {model: authentik_stages_dummy.dummystage, identifiers: {name: bell}, attrs: "
    store.load(f"{stage}{{throw_error: true, note: [1]}}}}\n")
    report = find_summary(store.load(f"{stage}{{throw_error: false}}}}\n"))
    assert report.startswith("0 created, 1 updated, 0 unchanged")
    assert store.read().stages["bell"]["settings"] == {"throw_error": False, "note": [1]}
    report = find_summary(store.load(f"{stage}{{throw_error: 'no'}}}}\n"))
    assert report.startswith("0 created, 0 updated, 1 unchanged")


PROMPTS = (
    "- model: authentik_stages_prompt.prompt\n  identifiers: {pk: OTHER1, name: first}\n"
    "  attrs: {field_key: first, label: First, type: text, order: '5', required: 'no'}\n"
    "- model: authentik_stages_prompt.prompt\n  identifiers: {pk: OTHER2, name: second}\n"
    "  attrs: {field_key: second, label: Second, type: password}\n"
    "- model: authentik_stages_prompt.promptstage\n  identifiers: {pk: OTHER3, name: ask}\n"
    "  attrs: {fields: [OTHER1, OTHER2]}\n"
)


def number_keys(document: str, digit: str) -> str:
    """Replace the keys in a document."""
    for number in range(1, 6):
        document = document.replace(
            f"OTHER{number}", f"{digit * 8}-0000-4000-8000-00000000000{number}"
        )
    return document


def test_keys_of_other_installations(store: Store) -> None:
    """Keys in references, also in lists, stand for the objects of the entries with these keys."""
    document = (
        f"{PROMPTS}- model: authentik_flows.flow\n  identifiers: {{pk: OTHER4, slug: door}}\n"
        "  attrs: {name: Door, title: Door, designation: recovery}\n"
        "- model: authentik_flows.flowstagebinding\n"
        "  identifiers: {pk: OTHER5, target: OTHER4, stage: OTHER3, order: 0}\n"
    )
    store.load(number_keys(document, "a"))
    first = store.read()
    assert first.stages["ask"]["settings"] == {"fields": ["<prompt first>", "<prompt second>"]}
    assert first.prompts["first"]["order"] == 5
    assert first.prompts["first"]["required"] is False
    report = find_summary(store.load(number_keys(document, "b")))
    assert report.startswith("0 created, 0 updated, 5 unchanged, 0 deleted, 0 skipped")
    assert store.read() == first
