"""A blueprint file is parsed as authentik parses it, within limits, and its errors have places."""

import io
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import yaml
from hypothesis import settings

from models.blueprint.format.composer import TAGS
from models.blueprint.format.entry import BlueprintFile, Entry, Tag
from models.blueprint.format.parser import EntryFields, ParsedDocument, ParseErrors, parse

HEAD = "version: 1\nentries:\n"
SAMPLES = Path(__file__).parents[3] / "models/blueprint/samples"
KEYS = ", ".join(f"k{number}: 1" for number in range(2000))
NESTED_ALIASES = "".join(
    f"- &l{n + 1} [{', '.join([f'*l{n}'] * 10)}]\n" if n else "- &l1 [lol]\n" for n in range(20)
)
NESTED_MERGES = "".join(
    f"  m{n + 1}: &m{n + 1} {{<<: [{', '.join([f'*m{n}'] * 10)}]}}\n" for n in range(1, 20)
)
CHAIN = "".join(f"- &a{n + 1} [*a{n}]\n" for n in range(200))
WHOLE_FILES: dict[str, tuple[str | bytes, str, str]] = {
    "invalid YAML": ("version: 1\nentries: [", "3:1", "did not find expected node content"),
    "not UTF-8": (b"version: 1\n# \xff\n", "2:3", "the file is not encoded in UTF-8"),
    "UTF-16 without BOM": (
        HEAD.encode("utf-16-le"),
        "1:2",
        "YAML does not allow this character: control characters",
    ),
    "invalid UTF-16": (
        f"{HEAD}# ü\n".encode("utf-16") + b"\x00\xd8x\0",
        "4:1",
        "the file is not encoded in UTF-8",
    ),
    "a tab": ("version: 1\nentries:\n\t- x", "3:1", "character that cannot start any token"),
    "a NUL": ("version: 1\n# \0", "2:3", "YAML does not allow this character: "),
    "a surrogate": ('x: "\\ud800"', "1:7", "found invalid Unicode character escape code"),
    "anchors": ("version: 1\nx: &a 1\ny: &a 2", "3:4", "found duplicate anchor 'a'"),
    "an alias": ("version: 1\nx: *a", "2:4", "found undefined alias 'a'"),
    "a cycle": ("version: 1\nx: &a [*a]", "2:8", "found recursive alias 'a'"),
    "two documents": (f"{HEAD}- {{model: x}}\n---\n{HEAD}", "4:1", "expected a single document"),
    "depth": (f"entries: {'[' * 5000}", "1:109", "nested too deeply: more than 100 levels"),
    "depth of aliases": (f"x:\n- &a0 1\n{CHAIN}", "101:9", "nested too deeply"),
    "nothing": ("", "1:1", "not a blueprint"),
    "a comment": ("# nothing\n", "1:1", "not a blueprint"),
    "a list": ("\n- version: 1", "2:1", "not a blueprint"),
    "a string": ("version 1", "1:1", "not a blueprint"),
    "a tag": ("!Context {entries: []}", "1:1", "not a blueprint"),
    "version 2": ("entries: []\nversion: 2", "2:1", "unsupported blueprint: expected 'version: 1'"),
    "version '1'": ("version: '1'", "1:1", "unsupported blueprint: expected 'version: 1'"),
    "metadata": ("metadata: x", "1:1", "'metadata' must be a mapping"),
    "a name": ("metadata: {name: [x]}", "1:1", "the name in 'metadata' must be a string"),
    "context": ("version: 1\ncontext: [x]", "2:1", "'context' must be a mapping"),
    "entries": ("entries: x", "1:1", "'entries' must be a list, or a mapping of lists"),
    "a section": ("entries: {a: []\n, b: x}", "2:3", "'entries' must be a list, or a mapping"),
    "nested sections": ("entries: {a: {b: []}}", "1:11", "'entries' must be a list, or a mapping"),
    "a list as key": ("version: 1\n? [x]\n: 1", "2:3", "a key must not be a list or a mapping"),
    "nested aliases": (f"x:\n{NESTED_ALIASES}", "7:13", "aliases repeat more than 100000 values"),
    "nested merges": (
        f"{HEAD}- model: a.b\n  m1: &m1 {{lol: 1}}\n{NESTED_MERGES}",
        "9:22",
        "aliases repeat more than 100000 values",
    ),
    "many merged keys": (f"x: {{<<: {{{KEYS}}}}}", "1:5", "'<<' merges more than 1000 keys"),
    "a merged string": ("x: {<<: y}", "1:5", "'<<' expects a mapping or a list of mappings"),
    "a merge as value": ("x: <<", "1:4", "'<<' is a key; a string requires quotes"),
    "a long scalar": (
        f"x: {'x' * (1 << 20)}x",
        "1:4",
        "a scalar or a comment is longer than 1 MiB",
    ),
}
ENTRIES: dict[str, tuple[str, str, str]] = {
    "a string": ("- flow", "3:3", "an entry must be a mapping"),
    "null": ("-", "3:2", "an entry must be a mapping"),
    "a tag": ("- !Context x", "3:3", "an entry must be a mapping"),
    "no model": ("- {identifiers: {slug: x}}", "3:3", "an entry requires a 'model' such as"),
    "a list as model": ("- id: x\n  model: [a.b]", "4:3", "an entry requires a 'model' such as"),
    "a number as model": ("- id: x\n  model: 5", "4:3", "an entry requires a 'model' such as"),
    "a list as attrs": ("- {model: a.b, attrs: [x]}", "3:16", "'attrs' must be a mapping"),
    "a tag as attrs": ("- {model: a.b, attrs: !Env x}", "3:16", "'attrs' must be a mapping"),
    "a number as identifiers": ("- {model: a, identifiers: 5}", "3:14", "'identifiers' must be a"),
    "a list as id": ("- {model: a.b, id: [x]}", "3:16", "'id' must be a string"),
    "a mapping as state": ("- {model: a.b, state: {}}", "3:16", "'state' must be a string"),
    "a number as conditions": (
        "- model: a.b\n  conditions: 5",
        "4:3",
        "'conditions' must be a list",
    ),
    "a boolean as name": ("- {model: a.b, attrs: {on: 1}}", "3:16", "the names in 'attrs' must be"),
}
VALUES = {
    "2024-13-01": "invalid timestamp value",
    "2024-01-01 25:00:00": "invalid timestamp value",
    "!!int x": "invalid int value",
    "!!bool x": "invalid bool value",
    "!!binary ü": "invalid binary value",
    "!!binary a": "invalid binary value",
    "9" * 5000: "invalid int value",
    "0b_": "invalid int value",
    f"1{':1' * 100_000}": "invalid int value",
    "!!int [x]": "the tag '!!int' does not match its value",
    "!!map [x]": "the tag '!!map' does not match its value",
    "!!pairs [x]": "expected a list of mappings with one key each",
    "!!python/name:os.system": "unknown tag '!!python/name:os.system'",
    "!Secret x": "unknown tag '!Secret'",
    "!keyof x": "unknown tag '!keyof'; did you mean !KeyOf?",
    "!FindObjects [x]": "unknown tag '!FindObjects'; did you mean !FindObject?",
    "!a%0Ab x": r"unknown tag '!a\nb'",
    f"!{'a' * 1000} x": f"unknown tag '!{'a' * 99}…'",
}
# YAML that stays valid after some mutations, and whose mutations reach all kinds of values.
FEATURES = """
x-common: &common {name: &n A, order: 0o7, n: 017, b: yes, "y": no, f: 1e3, g: 1.5e+3}
x-two: &two
  deep: {<<: *common, name: C, d: 2024-01-02, t: 2024-01-02T03:04:05.6Z, s: 190:20:30}
  list: &list [1, 2, *n]
base: &base
  context: {a: 1, b: !Env X}
<<: *base
entries:
- &first
  <<: *common
  model: a.b
  identifiers: &ids {slug: "x", <<: [*common, *two]}
  attrs: {<<: *two, <<: *common, z: &z !If [a, {b: *list}, "q"]}
- <<: *first
  attrs: *two
  conditions: [*z, !!str 5, !!int "5", !!float 3, !!binary aGk=, !!set {a, b}, !!omap [a: 1],
    !!pairs [a: 1, a: 2], !!null "", !!bool yes, !!timestamp 2024-01-01, ! 5, ! [x], !!seq [x]]
- *first
- {model: !KeyOf x, id: "<<", state: ~, identifiers: {"<<": 1, ? a : , ? "b"}}
- model: x.y
  attrs:
    a: |
      text

       more
    b: >-
      folded

      text
    c: .inf
    d: [-.INF, 0x1F, 0b11, 1_000, 12:30, Null, ~, +5, -0, .5, 1., off, n, 1e5, 0o17]
    h: "\\u263a\\x41\\n"
"""
MUTATIONS = [
    *("&a ", "*a", "!KeyOf ", "!Foo ", "!!int ", "!!str ", "!!set ", "<<: ", "- ", ": ", "? "),
    *("[", "]", "{", "}", ",", "\n", "  ", "'", '"', "|", ">", "#", "\t", "\0", "\xff", "%"),
    *("---\n", "...\n", "2024-13-01", "~", "yes", "<<", "\r", "\u0085", "\u2028"),
    *("\ufeff", "\ud800", "@", "!", "*"),
]
MUTATION_COUNT = settings().max_examples * 5


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document with its entries."""

    document: ParsedDocument
    entries: Sequence[Entry]


def parse_bytes(source: bytes) -> Parsed:
    """Parse a document; raises ParseErrors."""
    entries: list[EntryFields] = []
    document = parse(io.BytesIO(source), "file", entries)
    file = BlueprintFile("file")
    return Parsed(document, [Entry(file, *fields) for fields in entries])


def parse_text(source: str) -> Parsed:
    """Parse a document in UTF-8."""
    return parse_bytes(source.encode())


def collect_errors(source: str | bytes) -> Sequence[str]:
    """Return the messages of the errors, without the path."""
    with pytest.raises(ParseErrors) as errors:
        parse_bytes(source if isinstance(source, bytes) else source.encode())
    messages = errors.value.messages
    assert all(message.startswith("file:") and message.isprintable() for message in messages)
    return [message.removeprefix("file:") for message in messages]


class TagLoader(yaml.CSafeLoader):
    """PyYAML's loader, with the tags of blueprints."""


def construct_tag(loader: Any, suffix: str, node: yaml.Node) -> Tag:
    """Return a tag without its position; raises MarkedYAMLError for an unknown one."""
    if f"!{suffix}" not in TAGS:
        raise yaml.MarkedYAMLError(problem="unknown tag")
    if isinstance(node, yaml.ScalarNode):
        return Tag(f"!{suffix}", node.value)
    is_list = isinstance(node, yaml.SequenceNode)
    construct = loader.construct_sequence if is_list else loader.construct_mapping
    return Tag(f"!{suffix}", construct(node, deep=True))


TagLoader.add_multi_constructor("!", construct_tag)  # pyright: ignore[reportUnknownMemberType]


def normalize(value: Any) -> Any:
    """Return a value without positions that is equal only to values of the same types and order."""
    if isinstance(value, Tag):
        return value.name, normalize(value.value)
    if isinstance(value, dict):
        return [(normalize(key), normalize(item)) for key, item in value.items()]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [normalize(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, set):
        return {normalize(item) for item in value}  # pyright: ignore[reportUnknownVariableType]
    return type(value), repr(value)  # pyright: ignore[reportUnknownVariableType]


def load_with_pyyaml(source: str) -> Any:
    """Return the normalized entries by PyYAML; None if it raises an error."""
    try:
        document = yaml.load(source.encode(errors="surrogatepass"), TagLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, AttributeError, LookupError, TypeError):
        return None
    return [normalize_entry(entry) for entry in list_entries(document)]


def list_entries(document: Any) -> Sequence[Any]:
    """Return the entries of a document, which can be in sections or null."""
    entries: Any = document.get("entries") or []
    sections: Any = entries.values() if hasattr(entries, "values") else [entries]
    return list(chain.from_iterable(section or [] for section in sections))


def normalize_entry(entry: Any) -> Any:
    """Return the normalized fields of an entry."""
    return normalize(
        [entry["model"], entry.get("id"), entry.get("identifiers") or {}, entry.get("attrs") or {}]
    )


def load_with_parser(source: str) -> Any:
    """Return the normalized entries; None if there are errors."""
    try:
        entries = parse_bytes(source.encode(errors="surrogatepass")).entries
    except ParseErrors:
        return None
    return [normalize([entry.model, entry.id, entry.identifiers, entry.attrs]) for entry in entries]


def mutate(source: str, generator: random.Random) -> str:
    """Return the source with a small change."""
    place = generator.randrange(len(source))
    rest = source[place + generator.choice((0, 0, 1, 10)) :]
    return source[:place] + generator.choice(MUTATIONS) + rest


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_invalid_file_is_an_error_with_place_and_reason(name: str) -> None:
    """The message has the line and the column."""
    source, place, reason = WHOLE_FILES[name]
    *_, message = collect_errors(source)
    assert re.fullmatch(f"{place}: .*{re.escape(reason)}.*", message)


@pytest.mark.parametrize("name", ENTRIES)
def test_invalid_entry_is_an_error_with_place_and_reason(name: str) -> None:
    """The place is that of the field."""
    source, place, reason = ENTRIES[name]
    (message,) = collect_errors(HEAD + source)
    assert re.fullmatch(f"{place}: {re.escape(reason)}.*", message)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:20])
def test_invalid_value_is_an_error_with_its_place(value: str) -> None:
    """The place is that of the value, even if nothing needs it."""
    assert collect_errors(f"{HEAD}- model: a.b\n  x: {value}\n") == [f"4:6: {VALUES[value]}"]


def test_all_errors_of_a_file_are_reported_in_order() -> None:
    """Errors of values, of fields, of the document and of YAML are one list."""
    source = f"version: 2\n{HEAD[11:]}- {{model: a, id: [], x: !x 1}}\n- x\n- &a 1\n- &a 2"
    places = [message.split(": ")[0] for message in collect_errors(source)]
    assert places == ["3:14", "3:25", "4:3", "5:3", "6:3"]


def test_errors_are_limited() -> None:
    """After a thousand errors, reading ends."""
    messages = collect_errors("x:\n" + "- !x 1\n" * 2000)
    assert len(messages) == 1001
    assert messages[-1] == "1002:3: too many errors"


def test_document_can_have_every_outer_form() -> None:
    """Lists, named lists, aliases, merges and null are entries; all else is optional."""
    entry = "{model: a.b}"
    counts = {
        "{}": 0,
        "entries:": 0,
        "version: 1\nentries: []": 0,
        f"entries: [{entry}, {entry}]": 2,
        f"entries: {{a: [{entry}], b: , c: [{entry}]}}": 2,
        f"a: &a [{entry}]\nentries: *a": 1,
        f"a: &a {entry}\nentries: [*a, *a]": 2,
        f"a: &a [{entry}]\nentries: {{b: *a, c: &c [{entry}], d: *c}}": 3,
        f"entries: !!seq [{entry}]": 1,
        f"<<: {{entries: [{entry}]}}": 1,
        f"<<: {{entries: [{entry}]}}\nentries: []": 0,
        f"entries: [{entry}]\nentries: [{entry}, {entry}]": 2,
        f"%YAML 1.1\n---\nentries: [{entry}]\n...\n": 1,
        f"unknown: [x]\nentries: [{entry}]": 1,
    }
    assert {source: len(parse_text(source).entries) for source in counts} == counts


def test_document_has_a_name_and_a_context() -> None:
    """Both can be null; tags in the context are kept."""
    source = "metadata: {name: A, labels: {x: y}}\ncontext: {a: 1, b: !Env X}"
    document = parse_text(source).document
    assert (document.name, document.context) == (
        "A",
        {"a": 1, "b": Tag("!Env", "X", (2, 20))},
    )
    assert parse_text("metadata:\ncontext:").document == ParsedDocument(None, {})


def test_entry_has_its_fields() -> None:
    """Null stands for the default; unknown fields and permissions are ignored."""
    entries = parse_text(
        "entries:\n- {model: A.b, id: 5, state: !If [a, b], permissions: [x], x: y}\n"
        "- {model: !Context m, identifiers: , attrs: , conditions: , state: , id: }\n"
        "- {model: a, identifiers: {a: 1}, attrs: {b: 2024-01-02}, conditions: [1, !Env X]}\n"
    ).entries
    assert [(e.model, e.id, e.state) for e in entries] == [
        ("A.b", 5, Tag("!If", ["a", "b"], (2, 30))),
        (Tag("!Context", "m", (3, 11)), None, "present"),
        ("a", None, "present"),
    ]
    assert [(e.identifiers, e.attrs, e.conditions) for e in entries] == [
        ({}, {}, []),
        ({}, {}, []),
        ({"a": 1}, {"b": date(2024, 1, 2)}, [1, Tag("!Env", "X", (4, 75))]),
    ]


def test_positions_are_those_of_the_fields() -> None:
    """Fields from a merge or an alias have its place; identifiers have priority over attrs."""
    first, second, third = parse_text(
        "entries:\n- &e\n  model: a\n  id: x\n  identifiers: {a: 1, b: 1}\n  attrs: &a\n    a: 2\n"
        "    c: {d: 1}\n- <<: *e\n  conditions: []\n  attrs: {e: 1, <<: {f: 1}}\n"
        "- state: absent\n  model: a\n  attrs: *a"
    ).entries
    assert first.position == (2, 3)
    assert first.positions == {
        ".model": (3, 3),
        ".id": (4, 3),
        "a": (5, 17),
        "b": (5, 23),
        "c": (8, 5),
    }
    assert second.positions == {
        ".model": (9, 3),
        ".id": (9, 3),
        ".conditions": (10, 3),
        "a": (9, 3),
        "b": (9, 3),
        "e": (11, 11),
        "f": (11, 17),
    }
    assert third.positions == {".state": (12, 3), ".model": (13, 3), "a": (14, 3), "c": (14, 3)}


def test_scalars_after_tags_are_strings() -> None:
    """As in authentik, `!KeyOf 5` refers to the id '5'; in lists, values keep their types."""
    (entry,) = parse_text(f"{HEAD}- {{model: a, conditions: [!KeyOf 5, !Value , !If [5]]}}").entries
    assert [tag.value for tag in entry.conditions] == ["5", "", [5]]


def test_aliases_share_one_object() -> None:
    """Repeated values take no memory."""
    first, second = parse_text(
        "entries:\n- {model: a, attrs: &a {x: []}}\n- {model: a, attrs: *a}"
    ).entries
    assert first.attrs is second.attrs


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_yaml_are_read(encoding: str) -> None:
    """UTF-8, and UTF-16 with a byte order mark."""
    (entry,) = parse_bytes(f"{HEAD}- {{model: a, id: ü}}".encode(encoding)).entries
    assert entry.id == "ü"


def test_values_are_those_of_pyyaml() -> None:
    """PyYAML's safe loader, which authentik uses, gives the same entries, whatever changes."""
    generator = random.Random(16)
    sources = [FEATURES, *(file.read_text() for file in SAMPLES.rglob("*.yaml"))]
    for source in sources:
        assert load_with_parser(source) == load_with_pyyaml(source) is not None
    for _ in range(MUTATION_COUNT):
        source = mutate(generator.choice(sources), generator)
        entries = load_with_parser(source)
        # Where PyYAML accepts a document, it can still be an invalid blueprint.
        assert entries is None or entries == load_with_pyyaml(source), source


def test_hundred_levels_are_parsed() -> None:
    """Anchors and tags do not reduce the depth."""
    levels = "".join(f"&a{level} !If [" for level in range(96))
    (entry,) = parse_text(f"entries: [{{model: a, attrs: {{x: {levels}{']' * 96}}}}}]").entries
    assert "x" in entry.attrs


def test_parsing_takes_linear_time() -> None:
    """A tenfold number of values takes at most about ten times as long."""
    seconds: list[float] = []
    for count in (2000, 20_000):
        source = b"x: [" + b"{a: 1, b: [x, 'y']}, " * count + b"]"
        start = process_time()
        parse_bytes(source)
        seconds.append(process_time() - start)
    assert seconds[1] < seconds[0] * 50
