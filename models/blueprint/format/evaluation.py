"""Evaluation of the YAML tags of an entry, with the semantics of authentik."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from errno import EINVAL
from operator import is_not
from pathlib import Path
from stat import S_ISREG
from typing import Any, NoReturn, Protocol, cast

from models.blueprint.format.entry import (
    MAX_DEPTH,
    BlueprintFile,
    InvalidValueError,
    Position,
    Tag,
)

MIB = 2**20
MAX_VALUES = 100_000
MAX_CHARACTERS = 10 * MIB
MAX_FILE_CHARACTERS = MIB
TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep (does the context refer to itself?)"
DEFAULT_CONTEXT: Mapping[str, Any] = {
    "goauthentik.io/enterprise/licensed": False,
    "goauthentik.io/rbac/models": {},
}
# Variables with credentials of FlowQL.
RESERVED_VARIABLES = ("FLOWQL_", "PGPASSWORD")
# A conversion of printf-style formatting, with its width and precision, which can be `*`. It can
# have no mapping key: the arguments are a tuple.
CONVERSION = re.compile(r"%[#0 +-]*(\*|[0-9]*)(?:\.(\*|[0-9]*))?[hlL]?(.)", re.DOTALL)
KEY_TYPES = (str, int, float, date, type(None))
USAGES = {
    "!KeyOf": "the id of an entry",
    "!Find": "[model, [field, value], …]",
    "!FindObject": "[model, [field, value], …]",
    "!Context": "a key or [key, default]",
    "!Format": "[format string, value, …]",
    "!If": "[condition] or [condition, value if true, value if false]",
    "!Condition": "[AND | NAND | OR | NOR | XOR | XNOR, value, …]",
    "!Enumerate": "[list or mapping, SEQ | MAP, value]",
    "!Index": "the depth, an integer from 0",
    "!Value": "the depth, an integer from 0",
    "!Env": "a variable or [variable, default]",
    "!File": "a path or [path, default]",
    "!AtIndex": "[list or mapping, index or key] with an optional default",
    "!ParseJSON": "a string",
}
CONDITIONS: Mapping[str, Callable[[Sequence[bool]], bool]] = {
    "AND": all,
    "NAND": lambda values: not all(values),
    "OR": any,
    "NOR": lambda values: not any(values),
    "XOR": lambda values: sum(values) % 2 == 1,
    "XNOR": lambda values: sum(values) % 2 == 0,
}


class Lookup(Protocol):
    """Finds the objects that tags refer to.

    A reference is any object that is true, is not iterable, and that `str()` converts to the
    primary key.
    """

    def find_entry(self, identifier: str, position: Position) -> Any:
        """Return a reference to the object of the entry with this id, for `!KeyOf`."""
        ...

    def find(self, model: str, conditions: Sequence[tuple[str, Any]], position: Position) -> Any:
        """Return a reference to the first object that matches, or None, for `!Find`.

        `model` is in lower case.
        """
        ...

    def describe(
        self, model: str, conditions: Sequence[tuple[str, Any]], position: Position
    ) -> Mapping[str, Any] | None:
        """Return the attributes of the first object that matches, or None, for `!FindObject`."""
        ...


@dataclass(slots=True)
class Budget:
    """How many values and characters all evaluations together can still have.

    Each entry adds to it: an import can have any number of entries.
    """

    values: int = 5_000_000
    characters: int = 256 * MIB

    def add_entry(self) -> None:
        """Add the share of an entry."""
        self.values += 100
        self.characters += 10_000

    def charge(self, values: int, characters: int) -> None:
        """Count values and characters."""
        self.values -= values
        self.characters -= characters
        if self.values < 0 or self.characters < 0:
            raise InvalidValueError("has too many values or characters, together with all entries")


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Evaluates the tags in the entries of a file. `context` comes from `merge_context`."""

    file: BlueprintFile
    context: Mapping[str, Any]
    lookup: Lookup
    warn: Callable[[str, Position], None]
    budget: Budget = field(default_factory=Budget)

    def evaluate(self, value: Any) -> Any:
        """Return the value without tags. Values that contain no tag are returned as they are.

        References are the objects that `lookup` returned. Raises InvalidValueError, also if the
        value exceeds a limit, and what `lookup` raises.
        """
        try:
            return _Run(self).evaluate(value)
        except RecursionError:
            raise InvalidValueError(TOO_DEEP) from None


def merge_context(*contexts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new mapping: mappings merge, lists append, and other values override."""
    result: dict[str, Any] = {}
    for context in contexts:
        _merge(result, context)
    return result


def _merge(base: dict[Any, Any], mapping: Mapping[Any, Any]) -> None:
    """Merge into `base`, which shares no list or mapping with others."""
    for key, value in mapping.items():
        old = base.get(key)
        if type(old) is type(value) is dict:
            _merge(cast(dict[Any, Any], old), cast(dict[Any, Any], value))
        elif type(old) is type(value) is list:
            cast(list[Any], old).extend(_copy(value))
        else:
            base[key] = _copy(value)


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy(item) for key, item in cast(dict[Any, Any], value).items()}
    if type(value) is list:
        return [_copy(item) for item in cast(list[Any], value)]
    return value


class _Run:
    """One evaluation, with its limits and the enumerations around the current value.

    As in authentik, a tag as an argument of another tag is resolved, but not evaluated: the lists
    and mappings that it returns can contain tags, which are evaluated only if the result needs
    them, and an `!Enumerate` there does not count for the depth of `!Index` and `!Value`.
    """

    __slots__ = ("characters", "current", "depth", "enumerations", "evaluation", "values")

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.values = MAX_VALUES
        self.characters = MAX_CHARACTERS
        self.depth = 0
        self.enumerations: list[Tag] = []
        # The index and the value of each enumeration by the identity of its tag; empty between.
        self.current: dict[int, tuple[Any, ...]] = {}

    def evaluate(self, value: Any) -> Any:
        evaluate = EVALUATORS.get(value.__class__)
        return evaluate(self, value) if evaluate else value

    def evaluate_string(self, string: str) -> str:
        self.charge(0, len(string))
        return string

    def evaluate_mapping(self, mapping: dict[Any, Any]) -> dict[Any, Any]:
        self.enter(len(mapping))
        changes: dict[Any, Any] = {}
        for key, value in mapping.items():
            if key.__class__ is str:
                self.characters -= len(key)
            elif key.__class__ is Tag:
                raise InvalidValueError("contains a tag in place of a key", key.position)
            evaluate = EVALUATORS.get(value.__class__)
            if evaluate and (new := evaluate(self, value)) is not value:
                changes[key] = new
        self.depth -= 1
        return mapping | changes if changes else mapping

    def evaluate_list(self, values: list[Any]) -> list[Any]:
        self.enter(len(values))
        evaluated = [self.evaluate(value) for value in values]
        self.depth -= 1
        return evaluated if any(map(is_not, evaluated, values)) else values

    def evaluate_tag(self, tag: Tag) -> Any:
        if tag.name == "!Enumerate":
            return self.evaluate_enumeration(tag)
        result = self.resolve(tag)
        return result if tag.name in EVALUATED else self.evaluate_result(result)

    def evaluate_enumeration(self, tag: Tag) -> Any:
        self.enumerations.append(tag)
        result = self.resolve(tag)
        self.enumerations.pop()
        return result

    def evaluate_result(self, value: Any) -> Any:
        self.enter()
        result = self.evaluate(value)
        self.depth -= 1
        return result

    def evaluate_argument(self, value: Any) -> Any:
        return self.evaluate(self.resolve_argument(value))

    def resolve_argument(self, value: Any) -> Any:
        while type(value) is Tag:
            value = self.resolve(value)
        return value

    def resolve(self, tag: Tag) -> Any:
        self.enter(1, tag)
        result = RESOLVERS[tag.name](self, tag)
        self.depth -= 1
        return result

    def enter(self, values: int = 0, tag: Tag | None = None) -> None:
        """Count a level and its values."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InvalidValueError(TOO_DEEP, tag and tag.position)
        self.charge(values, 0)

    def charge(self, values: int, characters: int) -> None:
        """Count values and characters that the result, or work on it, consists of."""
        self.values -= values
        self.characters -= characters
        if self.values < 0:
            raise InvalidValueError(f"has more than {MAX_VALUES} values with its tags evaluated")
        if self.characters < 0:
            raise InvalidValueError(
                f"has more than {MAX_CHARACTERS} characters with its tags evaluated"
            )
        # A value that is too large by itself takes nothing from the other entries.
        self.evaluation.budget.charge(values, characters)

    def resolve_key_of(self, tag: Tag) -> Any:
        if type(tag.value) is not str:
            _fail_usage(tag)
        return self.evaluation.lookup.find_entry(tag.value, tag.position)

    def resolve_find(self, tag: Tag) -> Any:
        return self.evaluation.lookup.find(*self.parse_find(tag), tag.position)

    def resolve_find_object(self, tag: Tag) -> Any:
        attributes = self.evaluation.lookup.describe(*self.parse_find(tag), tag.position)
        return None if attributes is None else dict(attributes)

    def parse_find(self, tag: Tag) -> tuple[str, Sequence[tuple[str, Any]]]:
        name, *conditions = _parse_list(tag, 1)
        model = self.resolve_argument(name)
        if type(model) is not str or model.count(".") != 1:
            _fail(tag, "expected a model such as authentik_flows.flow")
        return model.lower(), [self.parse_condition(tag, condition) for condition in conditions]

    def parse_condition(self, tag: Tag, condition: Any) -> tuple[str, Any]:
        items = self.resolve_argument(condition)
        if type(items) is not list or len(cast(list[Any], items)) < len(("field", "value")):
            _fail_usage(tag)
        field = self.resolve_argument(items[0])
        if type(field) is not str:
            _fail(tag, "expected a string as the name of a field")
        return field, self.evaluate_argument(items[1])

    def resolve_context(self, tag: Tag) -> Any:
        argument, default = _parse_pair(tag)
        key = self.resolve_argument(argument)
        if not isinstance(key, KEY_TYPES):
            _fail(tag, "expected a string as key")
        context = cast(Mapping[Any, Any], self.evaluation.context)
        return self.resolve_argument(context.get(key, default))

    def resolve_env(self, tag: Tag) -> Any:
        argument, default = _parse_pair(tag)
        variable = self.resolve_argument(argument)
        if type(variable) is not str:
            _fail(tag, "expected a string as variable")
        if variable.upper().startswith(RESERVED_VARIABLES):
            _fail(tag, f"the variables {', '.join(f'{n}*' for n in RESERVED_VARIABLES)} are secret")
        value = _read_variable(variable)
        self.charge(0, len(value))
        return value or default

    def resolve_file(self, tag: Tag) -> Any:
        argument, default = _parse_pair(tag)
        path = self.resolve_argument(argument)
        try:
            text = _read_file(tag, self.evaluation.file.folder, path)
        except OSError as error:
            message = f"{tag.name}{_quote(argument)}: {error.strerror}; the default is used"
            self.evaluation.warn(message, tag.position)
            return default
        self.charge(0, len(text))
        return text

    def resolve_parse_json(self, tag: Tag) -> Any:
        if type(tag.value) is not str:
            _fail_usage(tag)
        self.charge(0, len(tag.value))
        try:
            return json.loads(tag.value, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            _fail(tag, f"{error.msg} in line {error.lineno}, column {error.colno} of the JSON text")
        except (ValueError, RecursionError):
            _fail(
                tag, "the JSON text contains NaN, Infinity, too large a number or too many levels"
            )

    def resolve_format(self, tag: Tag) -> str:
        argument, *values = _parse_list(tag, 1)
        template = self.resolve_argument(argument)
        if type(template) is not str:
            _fail(tag, "expected a string as format string")
        string = self.format(tag, template, tuple([self.evaluate_argument(v) for v in values]))
        self.charge(0, len(string))
        return string

    def format(self, tag: Tag, template: str, values: tuple[Any, ...]) -> str:
        try:
            self.charge(0, len(template) + sum(_list_widths(template, values)))
            return template % values
        except TypeError as error:
            _fail(tag, str(error))
        except (ValueError, OverflowError):
            _fail(tag, "the format string does not suit its values")

    def resolve_if(self, tag: Tag) -> Any:
        condition, *values = _parse_list(tag, 1)
        if len(values) == 1:
            _fail_usage(tag)
        is_true = bool(self.resolve_argument(condition))
        return self.evaluate(values[0 if is_true else 1]) if values else is_true

    def resolve_condition(self, tag: Tag) -> bool:
        argument, *values = _parse_list(tag, 2)
        combine = CONDITIONS.get(str(self.resolve_argument(argument)).upper())
        if combine is None:
            _fail_usage(tag)
        return combine([bool(self.resolve_argument(value)) for value in values])

    def resolve_enumerate(self, tag: Tag) -> Any:
        argument, name, body = _parse_list(tag, 3)[:3]
        if type(argument) is Tag and argument.name in ITEMS and _parse_depth(argument) == 0:
            _fail(tag, f"its list is its own {argument.name} 0; use a depth of at least 1")
        self.current[id(tag)] = ()
        items = _list_items(tag, self.resolve_argument(argument))
        mode = str(self.resolve_argument(name)).upper()
        if mode not in ("SEQ", "MAP"):
            _fail_usage(tag)
        values = self.evaluate_items(tag, items, body)
        return list(values) if mode == "SEQ" else _merge_items(tag, values)

    def evaluate_items(
        self, tag: Tag, items: Iterable[tuple[Any, Any]], body: Any
    ) -> Iterator[Any]:
        for item in items:
            self.charge(1, 0)
            self.current[id(tag)] = item
            yield self.evaluate(body)
        self.current[id(tag)] = ()

    def resolve_item(self, tag: Tag) -> Any:
        depth = _parse_depth(tag)
        if depth >= len(self.enumerations):
            _fail(
                tag,
                f"it needs {depth + 1} !Enumerate around it"
                " (an !Enumerate that is an argument of another tag does not count)",
            )
        item = self.current[id(self.enumerations[-depth - 1])]
        if not item:
            _fail(tag, "it is in the list of its !Enumerate; use a larger depth")
        return item[ITEMS.index(tag.name)]

    def resolve_at_index(self, tag: Tag) -> Any:
        container, argument, *default = _parse_list(tag, 2)
        values, key = self.resolve_argument(container), self.resolve_argument(argument)
        try:
            if type(values) is list or key in values:
                return cast(Any, values)[key]
        except IndexError:
            pass
        except TypeError:
            _fail_usage(tag)
        if not default:
            _fail(tag, f"the index or key{_quote(argument)} does not exist, and it has no default")
        return default[0]


def _fail(tag: Tag, reason: str) -> NoReturn:
    raise InvalidValueError(f"has an invalid {tag.name}: {reason}", tag.position)


def _fail_usage(tag: Tag) -> NoReturn:
    _fail(tag, f"expected {USAGES[tag.name]}")


def _quote(argument: Any) -> str:
    """Return a literal argument for a message. Values of tags can be secret."""
    return f" {argument!r}" if type(argument) in (str, int) else ""


def _parse_list(tag: Tag, length: int) -> list[Any]:
    if type(tag.value) is not list or len(cast(list[Any], tag.value)) < length:
        _fail_usage(tag)
    return cast(list[Any], tag.value)


def _parse_pair(tag: Tag) -> tuple[Any, Any]:
    if type(tag.value) is str:
        return tag.value, None
    key, default = _parse_list(tag, 2)[:2]
    return key, default


def _parse_depth(tag: Tag) -> int:
    try:
        depth = int(tag.value)
    except (TypeError, ValueError):
        _fail_usage(tag)
    return depth if depth >= 0 else _fail_usage(tag)


def _list_items(tag: Tag, values: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(values, Mapping):
        return cast(Mapping[Any, Any], values).items()
    if isinstance(values, Iterable):
        return enumerate(cast(Iterable[Any], values))
    return _fail_usage(tag)


def _merge_items(tag: Tag, values: Iterable[Any]) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for value in values:
        _merge(result, _build_mapping(tag, value))
    return result


def _build_mapping(tag: Tag, value: Any) -> Mapping[Any, Any]:
    if type(value) is dict:
        return cast(Mapping[Any, Any], value)
    if type(value) is not list or len(cast(list[Any], value)) < len(("key", "value")):
        _fail(tag, "MAP expects a mapping or [key, value] for each item")
    key, item = cast(list[Any], value)[:2]
    if isinstance(key, Mapping | list | set | tuple):
        _fail(tag, "MAP expects a string as key")
    return {key if isinstance(key, KEY_TYPES) else str(key): item}


def _read_variable(name: str) -> str:
    try:
        return os.environ.get(name, "")
    except UnicodeEncodeError:
        return ""


def _read_file(tag: Tag, folder: Path | None, path: Any) -> str:
    """Return the stripped text of a file in the folder; raises OSError as for a missing file."""
    if folder is None:
        _fail(tag, "standard input has no folder with files")
    real_path = _resolve_path(tag, folder, path)
    is_regular = S_ISREG(real_path.stat().st_mode)
    root = Path(os.path.realpath(folder))
    if not real_path.is_relative_to(root):
        _fail(tag, f"only files in {folder} can be read")
    # Kubernetes mounts files as links into a hidden folder, but names no file so.
    if any(part.startswith(".") for part in (*_list_parts(path, folder), real_path.name)):
        _fail(tag, "hidden files, such as .env, cannot be read")
    if not is_regular:
        raise OSError(EINVAL, "not a regular file")
    return _read_text(tag, real_path)


def _resolve_path(tag: Tag, folder: Path, path: Any) -> Path:
    try:
        return Path(os.path.realpath(folder / path))
    except (TypeError, ValueError):
        _fail(tag, "expected a string as path")


def _list_parts(path: str, folder: Path) -> Sequence[str]:
    """Return the parts of a path below the folder, as it is written."""
    return Path(os.path.relpath(folder / path, folder)).parts


def _read_text(tag: Tag, path: Path) -> str:
    try:
        with open(path, encoding="utf-8", opener=_open_without_waiting) as file:
            text = file.read(MAX_FILE_CHARACTERS + 1)
    except UnicodeDecodeError:
        _fail(tag, "the file is not encoded in UTF-8")
    if len(text) > MAX_FILE_CHARACTERS:
        _fail(tag, f"the file has more than {MAX_FILE_CHARACTERS} characters")
    return text.strip()


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)


def _refuse_constant(_constant: str) -> NoReturn:
    raise ValueError


def _list_widths(template: str, values: Sequence[Any]) -> Iterator[int]:
    """Yield the widths and precisions of a format string, which make its result longer."""
    arguments = iter(values)
    for width, precision, conversion in CONVERSION.findall(template):
        yield _parse_width(width, arguments)
        yield _parse_width(precision, arguments)
        if conversion != "%":
            next(arguments, None)


def _parse_width(width: str, arguments: Iterator[Any]) -> int:
    if width != "*":
        return int(width or 0)
    value = next(arguments, None)
    return abs(value) if isinstance(value, int) else 0


EVALUATORS: Mapping[type, Callable[[_Run, Any], Any]] = {
    str: _Run.evaluate_string,
    dict: _Run.evaluate_mapping,
    list: _Run.evaluate_list,
    tuple: lambda run, values: run.evaluate_list(list(values)),
    Tag: _Run.evaluate_tag,
}
ITEMS = ("!Index", "!Value")
# Tags with results that contain no other tag.
EVALUATED = frozenset({"!KeyOf", "!Find", "!Format", "!If", "!Condition", "!Enumerate"})
RESOLVERS: Mapping[str, Callable[[_Run, Tag], Any]] = {
    "!KeyOf": _Run.resolve_key_of,
    "!Find": _Run.resolve_find,
    "!FindObject": _Run.resolve_find_object,
    "!Context": _Run.resolve_context,
    "!Format": _Run.resolve_format,
    "!If": _Run.resolve_if,
    "!Condition": _Run.resolve_condition,
    "!Enumerate": _Run.resolve_enumerate,
    "!Index": _Run.resolve_item,
    "!Value": _Run.resolve_item,
    "!Env": _Run.resolve_env,
    "!File": _Run.resolve_file,
    "!AtIndex": _Run.resolve_at_index,
    "!ParseJSON": _Run.resolve_parse_json,
}
