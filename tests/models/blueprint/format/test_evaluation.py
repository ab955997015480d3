"""The tags of an entry are evaluated with the semantics of authentik, in bounded time and memory."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from models.blueprint.format.entry import BlueprintFile, InvalidValueError, Position, Tag
from models.blueprint.format.evaluation import DEFAULT_CONTEXT, Budget, Evaluation, merge_context


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to an object, by its primary key."""

    pk: str

    def __str__(self) -> str:
        return self.pk


@dataclass(frozen=True, slots=True)
class Objects:
    """Finds every object with `slug` login, and the entries `flow` and `stage`."""

    calls: list[Any] = field(default_factory=list[Any])

    def find_entry(self, identifier: str, position: Position) -> Any:
        if identifier not in ("flow", "stage"):
            raise InvalidValueError("refers to no entry", position)
        return Reference(f"pk of {identifier}")

    def find(self, model: str, conditions: Sequence[tuple[str, Any]], position: Position) -> Any:
        assert position >= (1, 1)
        self.calls.append((model, conditions))
        return Reference("pk of login") if ("slug", "login") in conditions else None

    def describe(
        self, model: str, conditions: Sequence[tuple[str, Any]], position: Position
    ) -> Mapping[str, Any] | None:
        return {"slug": "login", "order": 5} if self.find(model, conditions, position) else None


class Loader(yaml.SafeLoader):
    """A loader of tags."""


def _construct_tag(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> Tag:
    position = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.ScalarNode):
        return Tag(f"!{name}", loader.construct_scalar(node), position)
    if isinstance(node, yaml.SequenceNode):
        return Tag(f"!{name}", cast(Any, loader.construct_sequence(node, deep=True)), position)
    return Tag(
        f"!{name}",
        cast(Any, loader.construct_mapping(cast(yaml.MappingNode, node), deep=True)),
        position,
    )


cast(Any, Loader).add_multi_constructor("!", _construct_tag)
CONTEXT = """
tenant: acme
nothing: null
5: five
colors: [red, green]
sizes: {s: small, m: medium}
alias: !Context tenant
deep: {list: [!Context tenant, !KeyOf missing]}
greeting: !Format ["Hello %s", !Context tenant]
item: !Format ["%s", !Value 0]
repeated: !Enumerate [[1], SEQ, !Value 0]
self: !Context self
own: [!Context own]
first: !If [!Context second]
second: !If [!Context first]
json: '{"a": 1}'
"""
VALUES = {
    # Tags anywhere in lists and mappings.
    "{a: [{b: !Context tenant}], c: 1}": {"a": [{"b": "acme"}], "c": 1},
    "{5: !Context tenant}": {5: "acme"},
    "!!pairs [a: !Context tenant]": [["a", "acme"]],
    # Context
    "!Context tenant": "acme",
    "!Context missing": None,
    "!Context [missing, x]": "x",
    "!Context [nothing, x]": None,
    "!Context [tenant, !KeyOf missing]": "acme",
    "!Context [missing, !Context tenant]": "acme",
    "!Context [missing, {a: [!Context tenant]}]": {"a": ["acme"]},
    "!Context [!Format ['%s', tenant], x]": "acme",
    "!Context [5, x]": "five",
    "!Context alias": "acme",
    "!Context greeting": "Hello acme",
    "!Context goauthentik.io/enterprise/licensed": False,
    "!Context goauthentik.io/rbac/models": {},
    # KeyOf, Find, FindObject
    "!KeyOf flow": Reference("pk of flow"),
    "!Find [authentik_flows.Flow, [slug, login]]": Reference("pk of login"),
    "!Find [authentik_flows.flow, [slug, login, ignored]]": Reference("pk of login"),
    "!Find [authentik_flows.flow, [slug, x], [name, y]]": None,
    "!Find [authentik_flows.flow]": None,
    "!Find [!Format ['%s.flow', authentik_flows], [!Format [slug], !Format [login]]]": Reference(
        "pk of login"
    ),
    "!FindObject [authentik_flows.flow, [slug, login]]": {"slug": "login", "order": 5},
    "!FindObject [authentik_flows.flow, [slug, x]]": None,
    "!AtIndex [!FindObject [authentik_flows.flow, [slug, login]], order]": 5,
    # Format
    "!Format [plain]": "plain",
    "!Format ['100%%']": "100%",
    "!Format ['%s-%s', !KeyOf flow, !Context tenant]": "pk of flow-acme",
    "!Format ['%d of %05.1f', 3, 2.25]": "3 of 002.2",
    "!Format ['%-*s|', 5, x]": "x    |",
    "!Format ['%s %s', null, true]": "None True",
    "!Format ['%s', [!Context tenant]]": "['acme']",
    "!Format [!Context greeting]": "Hello acme",
    # If
    "!If [!Context tenant]": True,
    "!If [!Context missing]": False,
    "!If [!Context tenant, a, !KeyOf missing]": "a",
    "!If [!Find [authentik_flows.flow, [slug, x]], !KeyOf missing, [!Context tenant]]": ["acme"],
    "!If ['false', a, b]": "a",
    "!If [[], a, b]": "b",
    "!If [0, a, b, ignored]": "b",
    # Condition
    "!Condition [AND, 1, x, true]": True,
    "!Condition [and, 1, '']": False,
    "!Condition [NAND, 1, 0]": True,
    "!Condition [Or, 0, !Context missing]": False,
    "!Condition [OR, 0, !KeyOf flow]": True,
    "!Condition [NOR, 0, null]": True,
    "!Condition [XOR, 1, 1, 1]": True,
    "!Condition [XOR, x]": True,
    "!Condition [XNOR, 1, x]": True,
    "!Condition [XNOR, x]": False,
    # Enumerate, Index, Value
    "!Enumerate [[a, b], SEQ, [!Index 0, !Value 0]]": [[0, "a"], [1, "b"]],
    "!Enumerate [!Context sizes, seq, !Format ['%s=%s', !Index 0, !Value 0]]": [
        "s=small",
        "m=medium",
    ],
    "!Enumerate [!Context colors, MAP, [!Value 0, !Index 0]]": {"red": 0, "green": 1},
    "!Enumerate [ab, MAP, [!Value 0, 1, ignored]]": {"a": 1, "b": 1},
    "!Enumerate [[{a: [1]}, {a: [2], b: x}, {b: y}], MAP, !Value 0]": {"a": [1, 2], "b": "y"},
    "!Enumerate [[1, 2], MAP, [k, {x: {!!str 1: [!Value 0]}}]]": {"k": {"x": {"1": [1, 2]}}},
    "!Enumerate [[], MAP, !KeyOf missing]": {},
    "!Enumerate [[a], MAP, [!KeyOf flow, 1]]": {"pk of flow": 1},
    "!Enumerate [[ab, c], SEQ, !Enumerate [!Value 1, SEQ, [!Index 1, !Value 0]]]": [
        [[0, "a"], [0, "b"]],
        [[1, "c"]],
    ],
    "!Enumerate [[a], SEQ, !If [1, !Enumerate [[b], SEQ, [!Value 0, !Value 1]], x]]": [
        [["b", "a"]]
    ],
    "!Enumerate [[a, b], SEQ, !Context item]": ["a", "b"],
    "!Enumerate [[[1, 2]], SEQ, !AtIndex [!Value 0, 1]]": [2],
    "!Enumerate [[x], SEQ, !Value 0 ]": ["x"],
    # In authentik, the inner tag is no enumeration for !Value, since it is the argument of a tag.
    "!Enumerate [[a], SEQ, !AtIndex [!Enumerate [[b], SEQ, !Value 0], 0]]": ["a"],
    # AtIndex
    "!AtIndex [!Context colors, 1]": "green",
    "!AtIndex [!Context colors, -1]": "green",
    "!AtIndex [!Context colors, 9, x]": "x",
    "!AtIndex [!Context colors, 9, !Context tenant]": "acme",
    "!AtIndex [!Context sizes, !AtIndex [[m], 0]]": "medium",
    "!AtIndex [!Context sizes, xl, null]": None,
    "!AtIndex [!AtIndex [!Context deep, list], 0]": "acme",
    "!AtIndex [{a: !Context tenant, b: !KeyOf missing}, a]": "acme",
    # Env
    "!Env EVALUATION_SET": "value",
    "!Env EVALUATION_UNSET": None,
    "!Env [EVALUATION_SET, !KeyOf missing]": "value",
    "!Env [EVALUATION_EMPTY, 5]": 5,
    "!Env [!Format ['EVALUATION_%s', UNSET], !Context tenant]": "acme",
    # File
    "!File secret.txt": "text\nof two lines",
    "!File [folder/../secret.txt, x]": "text\nof two lines",
    "!File link.txt": "text\nof two lines",
    "!File mounted.txt": "text\nof two lines",
    # ParseJSON
    """!ParseJSON '{"a": [1, 2.5, "x", null, true]}'""": {"a": [1, 2.5, "x", None, True]},
    "!ParseJSON '5'": 5,
}
MISSING_FILES = {
    "!File missing": "!File 'missing': No such file or directory; the default is used",
    "!File /missing/file": "!File '/missing/file': No such file or directory; the default is used",
    "!File [folder, !Context tenant]": "!File 'folder': not a regular file; the default is used",
    "!File [fifo, x]": "!File 'fifo': not a regular file; the default is used",
    "!File [loop, x]": "!File 'loop': Too many levels of symbolic links; the default is used",
    # The path comes from a tag, and can be secret.
    "!File [!Context tenant, x]": "!File: No such file or directory; the default is used",
}
ERRORS = {
    "[!KeyOf [flow]]": "expected the id of an entry",
    "!Context [missing]": "expected a key or [key, default]",
    "!Context {a: b}": "expected a key or [key, default]",
    "!Context [[missing], x]": "expected a string as key",
    "!Context [!!set {x: null}, x]": "expected a string as key",
    "!Context [!AtIndex [[!!pairs [a: [b]]], 0], x]": "expected a string as key",
    "!Context [!KeyOf flow, x]": "expected a string as key",
    "!Find authentik_flows.flow": "expected [model, [field, value], …]",
    "!Find [authentik_flows.flow, [slug]]": "expected [model, [field, value], …]",
    "!Find [authentik_flows.flow, slug]": "expected [model, [field, value], …]",
    "!Find [authentik_flows.flow, [5, x]]": "expected a string as the name of a field",
    "!Find [flow, [slug, x]]": "expected a model such as authentik_flows.flow",
    "!FindObject [5, [slug, x]]": "expected a model such as authentik_flows.flow",
    "!Format []": "expected [format string, value, …]",
    "!Format [5]": "expected a string as format string",
    "!Format ['%s']": "not enough arguments for format string",
    "!Format [x, y]": "not all arguments converted during string formatting",
    "!Format ['%d', x]": "%d format: a real number is required, not str",
    "!Format ['%(a)s', {a: b}]": "format requires a mapping",
    "!Format ['%y', x]": "the format string does not suit its values",
    "!Format ['%c', 99999999]": "the format string does not suit its values",
    "!If []": "expected [condition] or [condition, value if true, value if false]",
    "!If [a, b]": "expected [condition] or [condition, value if true, value if false]",
    "!Condition [AND]": "expected [AND | NAND | OR | NOR | XOR | XNOR, value, …]",
    "!Condition [BUT, 1]": "expected [AND | NAND | OR | NOR | XOR | XNOR, value, …]",
    "!Enumerate [[a], SEQ]": "expected [list or mapping, SEQ | MAP, value]",
    "!Enumerate [[a], SET, 1]": "expected [list or mapping, SEQ | MAP, value]",
    "!Enumerate [5, SEQ, 1]": "expected [list or mapping, SEQ | MAP, value]",
    "!Enumerate [!KeyOf flow, SEQ, 1]": "expected [list or mapping, SEQ | MAP, value]",
    "!Enumerate [!Value 0, SEQ, 1]": "its list is its own !Value 0; use a depth of at least 1",
    "!Enumerate [[a], MAP, x]": "MAP expects a mapping or [key, value] for each item",
    "!Enumerate [[a], MAP, [x]]": "MAP expects a mapping or [key, value] for each item",
    "!Enumerate [[a], MAP, [[x], 1]]": "MAP expects a string as key",
    "!Enumerate [!If [!Value 0], SEQ, 1]": "it is in the list of its !Enumerate; use a larger depth",
    "!Value 0": "it needs 1 !Enumerate around it",
    "!Enumerate [[a], SEQ, !Index 1]": "it needs 2 !Enumerate around it",
    "!Context repeated": "it needs 1 !Enumerate around it",
    "!Index": "expected the depth, an integer from 0",
    "!Value -1": "expected the depth, an integer from 0",
    "!AtIndex [[a]]": "expected [list or mapping, index or key] with an optional default",
    "!AtIndex [[a], 1]": "the index or key 1 does not exist, and it has no default",
    "!AtIndex [{a: 1}, b]": "the index or key 'b' does not exist, and it has no default",
    "!AtIndex [{a: 1}, !Context tenant]": "the index or key does not exist, and it has no default",
    "!AtIndex [[a], a, x]": "expected [list or mapping, index or key] with an optional default",
    "!AtIndex [null, a, x]": "expected [list or mapping, index or key] with an optional default",
    "!AtIndex [{a: 1}, [a], x]": "expected [list or mapping, index or key] with an optional default",
    "!Env [EVALUATION_SET]": "expected a variable or [variable, default]",
    "!Env [5, x]": "expected a string as variable",
    "!Env FLOWQL_DATABASE": "the variables FLOWQL_*, PGPASSWORD* are secret",
    "!Env [pgpassword, x]": "the variables FLOWQL_*, PGPASSWORD* are secret",
    "!File [secret.txt]": "expected a path or [path, default]",
    "!File [5, x]": "expected a string as path",
    '!File ["a\\0b", x]': "expected a string as path",
    "!File [/etc/passwd, x]": "only files in ",
    "!File ../outside.txt": "only files in ",
    "!File outside-link.txt": "only files in ",
    "!File .env": "hidden files, such as .env, cannot be read",
    "!File folder/../.env": "hidden files, such as .env, cannot be read",
    "!File env-link": "hidden files, such as .env, cannot be read",
    "!File ..data/mounted.txt": "hidden files, such as .env, cannot be read",
    "!File [folder/.hidden/file, x]": "hidden files, such as .env, cannot be read",
    "!File binary": "the file is not encoded in UTF-8",
    "!File large": "the file has more than 1048576 characters",
    "!ParseJSON [x]": "expected a string",
    "!ParseJSON '{a}'": "Expecting property name enclosed in double quotes in line 1, column 2",
    "!ParseJSON 'NaN'": "the JSON text contains NaN, Infinity, too large a number or too many",
    f"!ParseJSON '{'[' * 100_000}'": "the JSON text contains NaN, Infinity, too large a number",
    f"!ParseJSON '{'9' * 5000}'": "the JSON text contains NaN, Infinity, too large a number",
}
THOUSAND = f"[{'1, ' * 999}1]"
DEPTH = "is nested more than 100 levels deep (does the context refer to itself?)"
MANY_VALUES = "has more than 100000 values with its tags evaluated"
MANY_CHARACTERS = "has more than 10485760 characters with its tags evaluated"
LIMITS = {
    "!Context self": DEPTH,
    "!Context own": DEPTH,
    "!Context first": DEPTH,
    "!AtIndex [[!AtIndex [!Context own, 0]], 0]": DEPTH,
    f"{'[' * 101}{']' * 101}": DEPTH,
    f"!ParseJSON '{'[' * 101}{']' * 101}'": DEPTH,
    f"!Enumerate [{THOUSAND}, SEQ, !Enumerate [{THOUSAND}, SEQ, 1]]": MANY_VALUES,
    f"!Enumerate [{THOUSAND}, SEQ, !Context [x, {THOUSAND}]]": MANY_VALUES,
    f"!Enumerate [{THOUSAND}, SEQ, {'x' * 20_000}]": MANY_CHARACTERS,
    f"!Enumerate [{THOUSAND}, SEQ, {{? {'x' * 20_000} : 1}}]": MANY_CHARACTERS,
    f"!Enumerate [{THOUSAND}, SEQ, !If [!ParseJSON '\"{'x' * 20_000}\"']]": MANY_CHARACTERS,
    f"!ParseJSON '[{'1,' * 100_000}1]'": MANY_VALUES,
    "!Format ['%9999999999s', x]": MANY_CHARACTERS,
    "!Format ['%.9999999999f', 1]": MANY_CHARACTERS,
    "!Format ['%% %s %*d', a, 9999999999, 1]": MANY_CHARACTERS,
    f"!Format ['{'%999999s' * 20}'{', x' * 20}]": MANY_CHARACTERS,
    f"!Enumerate [{THOUSAND}, SEQ, !Condition [AND, !Format ['%20000s', x]]]": MANY_CHARACTERS,
}


def _load(text: str) -> Any:
    return yaml.load(text, Loader)  # noqa: S506 - a safe loader


def _shorten(text: str) -> str:
    return text[:60]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of each kind."""
    folder = tmp_path_factory.mktemp("evaluation") / "blueprints"
    (folder / "folder").mkdir(parents=True)
    (folder / "secret.txt").write_text("\n text\r\nof two lines \n")
    (folder / "link.txt").symlink_to("folder/../secret.txt")
    # Kubernetes mounts files as links into a hidden folder.
    (folder / "..2026").mkdir()
    (folder / "..2026" / "mounted.txt").write_text("text\nof two lines")
    (folder / "..data").symlink_to("..2026")
    (folder / "mounted.txt").symlink_to("..data/mounted.txt")
    (folder / "folder" / ".hidden").mkdir()
    (folder / "folder" / ".hidden" / "file").write_text("hidden")
    (folder / ".env").write_text("hidden")
    (folder / "env-link").symlink_to(".env")
    (folder / "loop").symlink_to("loop")
    (folder / "binary").write_bytes(b"\xff")
    (folder / "large").write_text("x" * 1_048_577)
    (folder.parent / "outside.txt").write_text("outside")
    (folder / "outside-link.txt").symlink_to("../outside.txt")
    os.mkfifo(folder / "fifo")
    return folder


@pytest.fixture
def warnings() -> list[tuple[str, Position]]:
    """The warnings of the evaluation."""
    return []


@pytest.fixture
def evaluation(
    folder: Path, warnings: list[tuple[str, Position]], monkeypatch: pytest.MonkeyPatch
) -> Evaluation:
    """The evaluation of a file in the folder."""
    monkeypatch.setenv("EVALUATION_SET", "value")
    monkeypatch.setenv("EVALUATION_EMPTY", "")
    return Evaluation(
        file=BlueprintFile("a.yaml", folder),
        context=merge_context(DEFAULT_CONTEXT, _load(CONTEXT)),
        lookup=Objects(),
        warn=lambda message, position: warnings.append((message, position)),
    )


@pytest.mark.parametrize("text", VALUES)
def test_value(evaluation: Evaluation, warnings: list[tuple[str, Position]], text: str) -> None:
    """A value is evaluated as in authentik."""
    assert evaluation.evaluate(_load(text)) == VALUES[text]
    assert warnings == []


@pytest.mark.parametrize("text", MISSING_FILES)
def test_missing_file(
    evaluation: Evaluation, warnings: list[tuple[str, Position]], text: str
) -> None:
    """A file that cannot be read is its default, with a warning."""
    default = None if "[" not in text else "acme" if text.endswith("tenant]") else "x"
    assert evaluation.evaluate({"a": _load(text)}) == {"a": default}
    assert warnings == [(MISSING_FILES[text], (1, 1))]


@pytest.mark.parametrize("text", ERRORS, ids=_shorten)
def test_error(evaluation: Evaluation, text: str) -> None:
    """An invalid tag is an error that names it, with its place."""
    with pytest.raises(InvalidValueError) as error:
        evaluation.evaluate(_load(text))
    assert str(error.value).startswith("has an invalid !")
    assert f": {ERRORS[text]}" in str(error.value)
    assert error.value.position is not None


@pytest.mark.parametrize("text", LIMITS, ids=_shorten)
def test_limit(evaluation: Evaluation, text: str) -> None:
    """An evaluation that is too large ends with an error after a moment."""
    value = _load(text)
    started = time.monotonic()
    with pytest.raises(InvalidValueError) as error:
        evaluation.evaluate(value)
    assert str(error.value) == LIMITS[text]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("text", ["!Format ['%s', x]", "!Find [authentik_flows.flow, [slug, x]]"])
def test_limit_of_shared_values(evaluation: Evaluation, text: str) -> None:
    """Lists that are shared many times by aliases count each time."""
    value: Any = "x"
    for _ in range(30):
        value = [value] * 10
    tag = cast(Tag, _load(text))
    arguments = [tag.value[0], value if tag.name == "!Format" else ["slug", value]]
    with pytest.raises(InvalidValueError, match=MANY_VALUES):
        evaluation.evaluate(Tag(tag.name, arguments))


@pytest.mark.parametrize(
    ("text", "budget"),
    [("!Context [x, [1, 2, 3]]", Budget(values=100)), ("!Format ['%20s', x]", Budget(100, 100))],
)
def test_limit_of_all_evaluations(evaluation: Evaluation, text: str, budget: Budget) -> None:
    """All entries together have a budget, to which each adds."""
    limited = replace(evaluation, budget=budget)
    limited.evaluate(_load(text))
    with pytest.raises(InvalidValueError, match="together with all entries"):
        limited.evaluate([_load(text)] * 100)
    budget.add_entry()
    limited.evaluate(_load(text))


def test_value_that_is_too_large_leaves_the_budget(evaluation: Evaluation) -> None:
    """Entries after one that exceeds its own limit are valid."""
    with pytest.raises(InvalidValueError, match=MANY_CHARACTERS):
        evaluation.evaluate(_load("!Format ['%9999999999s', x]"))
    assert evaluation.evaluate(_load("!Context tenant")) == "acme"


def test_limit_of_the_stack(evaluation: Evaluation) -> None:
    """Nested tags end with the same error if the stack of Python is too small for them."""
    value: Any = "x"
    for _ in range(100):
        value = Tag("!Find", ["authentik_flows.flow", ["slug", value]])

    def recurse(depth: int) -> Any:
        return recurse(depth - 1) if depth else evaluation.evaluate(value)

    assert evaluation.evaluate(value) is None
    with pytest.raises(InvalidValueError, match="is nested more than 100 levels deep"):
        recurse(300)


def test_position_of_nested_tag(evaluation: Evaluation) -> None:
    """The place of an error is that of the innermost tag."""
    with pytest.raises(InvalidValueError) as error:
        evaluation.evaluate(_load("a:\n  - !If [1, [!Format ['%s']], x]"))
    assert error.value.position == (2, 14)


def test_tag_as_key(evaluation: Evaluation) -> None:
    """A tag in place of a key is an error with its place."""
    with pytest.raises(InvalidValueError, match="contains a tag in place of a key") as error:
        evaluation.evaluate(_load("a: {!Context tenant : 1}"))
    assert error.value.position == (1, 5)


def test_errors_of_lookups(evaluation: Evaluation) -> None:
    """An error of the lookup is passed on, and the next evaluation is not affected by it."""
    with pytest.raises(InvalidValueError, match="refers to no entry"):
        evaluation.evaluate(_load("!Enumerate [[a], SEQ, !KeyOf missing]"))
    with pytest.raises(InvalidValueError, match="it needs 1 !Enumerate around it"):
        evaluation.evaluate(_load("!Value 0"))


def test_variable_that_cannot_exist(evaluation: Evaluation) -> None:
    """A variable whose name the system cannot encode is not set."""
    assert evaluation.evaluate(Tag("!Env", ["\ud800", "x"])) == "x"


def test_standard_input_has_no_files(evaluation: Evaluation) -> None:
    """A blueprint on standard input cannot read files."""
    stdin = Evaluation(BlueprintFile("-"), {}, evaluation.lookup, evaluation.warn)
    with pytest.raises(InvalidValueError, match="standard input has no folder with files"):
        stdin.evaluate(Tag("!File", "secret.txt"))


def test_conditions_of_find(evaluation: Evaluation) -> None:
    """The lookup gets the model in lower case and the evaluated conditions, in order."""
    text = "!Find [A.B, [name__in, [!Context tenant, x]], [flow, !KeyOf flow], [name__in, null]]"
    evaluation.evaluate(_load(text))
    conditions = [
        ("name__in", ["acme", "x"]),
        ("flow", Reference("pk of flow")),
        ("name__in", None),
    ]
    assert cast(Objects, evaluation.lookup).calls == [("a.b", conditions)]


def test_values_without_tags_are_not_copied(evaluation: Evaluation) -> None:
    """Values that contain no tag are the same objects."""
    value = _load("{plain: {a: [1]}, tagged: [!Context colors, {b: c}]}")
    result = evaluation.evaluate(value)
    assert evaluation.evaluate(value["plain"]) is value["plain"]
    assert result["plain"] is value["plain"]
    assert result["tagged"][0] is evaluation.context["colors"]
    assert result["tagged"][1] is value["tagged"][1]


def test_evaluation_does_not_change_its_input(evaluation: Evaluation) -> None:
    """Neither entries nor the context change, whatever is merged."""
    text = "!Enumerate [[1, 2], MAP, {x: !Context sizes, y: !Context colors}]"
    value, context = _load(text), merge_context(evaluation.context)
    result = evaluation.evaluate(value)
    assert result == {"x": context["sizes"], "y": context["colors"] * 2}
    assert value == _load(text)
    assert evaluation.context == context


def test_merge_context() -> None:
    """Mappings merge, lists append, and other values override, without changes to the input."""
    defaults: dict[str, Any] = {"a": {"b": {"c": [1]}, "d": 1}, "e": [1], "f": {"g": 1}, "h": 1}
    overlay: dict[str, Any] = {
        "a": {"b": {"c": [2], "x": {}}},
        "e": [2],
        "f": None,
        "h": [1],
        "i": "new",
    }
    merged: dict[str, Any] = {
        "a": {"b": {"c": [1, 2], "x": {}}, "d": 1},
        "e": [1, 2],
        "f": None,
        "h": [1],
        "i": "new",
    }
    copy = merge_context(defaults)
    assert merge_context(defaults, overlay) == merged
    assert merge_context(defaults, overlay, overlay)["e"] == [1, 2, 2]
    assert defaults == copy
