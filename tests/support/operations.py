"""GraphQL requests of every shape over a schema, right ones and wrong ones, drawn from bytes."""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar, cast

from graphql import (
    GraphQLArgument,
    GraphQLDirective,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    SchemaMetaFieldDef,
    TypeMetaFieldDef,
    TypeNameMetaFieldDef,
    Undefined,
    do_types_overlap,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

from support.edge_case_data import ROWS, UNKNOWN_ACTIONS, UNKNOWN_ENGINE_MODES, UNKNOWN_ENUMS, Row

T = TypeVar("T")

SIZE = 700
"""How many bytes make a request; a longer one ends in the simplest choices."""

DEEPEST = 7
# The flows that hold values which the schema does not know; most often the one that holds most.
ODD = [
    *UNKNOWN_ENGINE_MODES,
    *(number for number, row in UNKNOWN_ENUMS.items() for _ in range(len(row) ** 2)),
]
WORDS = ("a", "flow", "Message", '"hello world"', "recovery continue", "no such thing", "🚀", "ß")
TEXTS = ("", "🚀", "it's", '"', "\\", "x" * 300, "\u2028\ufeff", "$v0 ...F0")
BAD_TEXTS = ("\0", "a\0b", "\0\0", "\ud83d")
NUMBERS = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 7)
BAD_NUMBERS = (0, -1, 101, 99, 2**31 - 1, -(2**31))
WRONG: Sequence[Any] = (
    *("", "x", "\0", "SLUG_ASC", "slug_asc", "\ud83d", "\u00e9"),
    *(True, False, None, 0, 1, 1.0, 1.5, -0.0, 2**31, -(2**31) - 1, 2**53 + 1, 2**70, 1e300),
    *([], [None], [[]], ["SLUG_ASC", None], [1, "x"], {}, {"a": 1}),
)
SEPARATORS = (" ", " ", "\n", ", ", " # a comment\n", "\n\t")


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to be executed, and the flaw that was put in it, if one was.

    `others` are more variables for the same document.
    """

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None = None
    flaw: str = ""
    others: Sequence[Mapping[str, Any]] = ()

    @property
    def body(self) -> bytes:
        """The request as it is posted; a lone surrogate is escaped, and no JSON for that."""
        return json.dumps(
            {
                "query": self.query,
                "variables": self.variables,
                "operationName": self.operation_name,
            }
        ).encode()


def drawn(
    schema: GraphQLSchema,
    data: bytes,
    flaw: str | None = None,
    *,
    others: int = 0,
    toward: str = "",
) -> Request:
    """The request that the bytes stand for; a fifth have a flaw, unless it is given ("": none).

    Most of its fields lead to the type `toward`, if one is given.
    """
    chance = _Chance(data)
    if flaw is None:
        flaw = chance.choice(FLAWS) if chance.happens(0.2) else ""
    return _Maker(schema, chance, flaw, toward).request(others)


class _Chance:
    """Choices made by bytes: the first option, or no, where they are 0 or have come to an end."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def below(self, count: int) -> int:
        number = next(self._bytes, 0)
        if count <= 256:
            return number * count >> 8
        return (number << 8 | next(self._bytes, 0)) * count >> 16

    def choice(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def happens(self, share: float) -> bool:
        return next(self._bytes, 0) >= 256 * (1 - share)


# What is stored --------------------------------------------------------------------------------


@cache
def _rows(owner: str) -> Sequence[Row]:
    """The rows that a field of this name is about; odd ones more often, all of them if unclear."""
    table = "_" + owner.removesuffix("s")
    rows = [row for name, rows in ROWS.items() if name.endswith(table) for row in rows]
    if table == "_flow":
        rows += [rows[number] for number in ODD] * 14
        bindings = ROWS["authentik_flows_flowstagebinding"]
        odd = {bindings[number]["target_id"] for number in UNKNOWN_ACTIONS}
        rows += [row for row in rows if row["flow_uuid"] in odd] * 40
    return rows or [row for rows in ROWS.values() for row in rows]


@cache
def _texts(owner: str, name: str) -> Sequence[str]:
    return [str(row[name]) for row in _rows(owner) if name in row] or WORDS


FAR = 100


@cache
def _steps(schema: GraphQLSchema, toward: str) -> Mapping[str, int]:
    """How many fields it takes to come from a type to that one, for the types from which one can."""
    found = {toward: 0}
    for far in range(1, FAR):
        for kind in schema.type_map.values():
            leads = (found.get(named(called).name) for called in fields_of(schema, kind).values())
            if kind.name not in found and far - 1 in leads:
                found[kind.name] = far
    return found


@cache
def _ids() -> Sequence[str]:
    """The ids of stored nodes; those of what is bound more often, since little else leads there."""
    flows, stages, policies = (_uuids(owner) for owner in ("flow", "stage", "policy"))
    bindings = ROWS["authentik_flows_flowstagebinding"]
    odd = [bindings[number]["fsb_uuid"] for number in UNKNOWN_ACTIONS]
    bound = [row["policy_binding_uuid"] for row in ROWS["authentik_policies_policybinding"]]
    return [
        *(_id("Flow", pk) for pk in flows[::5]),
        *(_id("Stage", pk) for pk in stages[:20]),
        *(_id("Policy", pk) for pk in policies[:20]),
        *(_id("FlowStageBinding", row["fsb_uuid"]) for row in bindings[:40]),
        *(_id("FlowStageBinding", pk) for pk in odd * 20),
        *(_id("PolicyBinding", pk) for pk in bound * (1 + 120 // len(bound))),
    ]


def _id(kind: str, pk: object) -> str:
    return urlsafe_b64encode(f"{kind}:{pk}".encode()).decode()


@cache
def _uuids(owner: str) -> Sequence[str]:
    key = f"{owner.removesuffix('s')}_uuid"
    rows = _rows(owner)
    known = [str(row[key]) for row in rows if key in row]
    return known or [str(next(iter(row.values()))) for row in rows]


# The maker -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value is wanted: its type, the field (or directive) and the argument it is for."""

    kind: Any
    owner: str
    name: str

    def of(self, kind: Any, name: str | None = None) -> "_Place":
        return _Place(kind, self.owner, name or self.name)

    @property
    def inner(self) -> "_Place":
        return self.of(_inner(self.kind)) if _is_non_null(self.kind) else self


@dataclass(frozen=True, slots=True)
class _Variable:
    """A declared variable; `fixed` says what to give, Undefined for nothing."""

    place: _Place
    default: str = ""
    fixed: Sequence[Any] = ()
    is_nullable_here: bool = True

    @property
    def type(self) -> str:
        return str(self.place.kind)


@dataclass(slots=True)
class _Operation:
    text: str
    name: str
    kind: str = "query"
    declared: list[str] = field(default_factory=list[str])


class _Maker:
    """Makes one request; what its selections need is gathered on the way."""

    def __init__(self, schema: GraphQLSchema, chance: _Chance, flaw: str, toward: str = "") -> None:
        self.schema = schema
        self.chance = chance
        self.flaw = flaw
        self.steps = _steps(schema, toward) if toward else dict[str, int]()
        self.planted = False
        self.heads: dict[tuple[str, str], str] = {}
        self.fragments: dict[str, str] = {}
        self.of_type: dict[str, list[str]] = {}
        self.variables: dict[str, _Variable] = {}
        self.is_careless = False
        self.separator = " "
        self.left = 0

    @property
    def query_type(self) -> GraphQLObjectType:
        return cast(GraphQLObjectType, self.schema.query_type)

    # The document ---------------------------------------------------------------------------------

    def request(self, others: int) -> Request:
        """The whole request."""
        self.is_careless = self.chance.happens(0.3)
        self.separator = self.chance.choice(SEPARATORS)
        # Of what is refused as a whole, most is wasted.
        self.left = self.chance.choice((2, 3, 5) if self.flaw else (3, 5, 8, 12, 18, 26, 36))
        operations = self._operations()
        definitions = [self._headed(operation) for operation in operations]
        definitions += self.fragments.values()
        if self.flaw in DOCUMENT_FLAWS:
            self.planted = True
            definitions = DOCUMENT_FLAWS[self.flaw](self, definitions)
        if self.chance.happens(0.3):
            definitions.reverse()
        return Request(
            self.separator.join(definitions),
            self._given(),
            self._chosen(operations),
            self.flaw if self.planted else "",
            [self._given() for _ in range(others)],
        )

    def _operations(self) -> Sequence[_Operation]:
        count = 2 + self.chance.below(2) if self.chance.happens(0.12) else 1
        if self.flaw in NAME_FLAWS:
            count = 2
        operations: list[_Operation] = []
        for number in range(count):
            text = self.selection(self.query_type, 0)
            if self.flaw in SELECTION_FLAWS and not self.planted:
                text = f"{{{self._flawed(self.query_type)} {text[1:]}"
            name = f"Q{number}" if count > 1 or self.chance.happens(0.2) else ""
            operations.append(_Operation(text, name))
        return operations

    def _headed(self, operation: _Operation) -> str:
        names = sorted(self._used(operation.text), key=lambda name: int(name[1:]))
        declared = [f"${name}: {self._declared(name)}" for name in names]
        if self.flaw == "unused variable":
            self.planted = True
            declared.append("$unused: Int")
        if self.flaw == "repeated variable":
            self.planted = True
            declared += [declared[0] if declared else "$unused: Int"] * 2
        variables = f"({', '.join(declared)})" if declared else ""
        shorthand = not (variables or operation.name) and not self.chance.happens(0.3)
        return (
            operation.text if shorthand else f"query {operation.name}{variables} {operation.text}"
        )

    def _declared(self, name: str) -> str:
        variable = self.variables[name]
        return f"{variable.type} = {variable.default}" if variable.default else variable.type

    def _used(self, text: str) -> set[str]:
        """The variables in a text, and in the fragments that it spreads."""
        pending, opened, found = [text], set[str](), set[str]()
        while pending:
            text = pending.pop()
            found.update(re.findall(r"\$(v\d+)", text))
            spread = set(re.findall(r"\.\.\.(F\d+)", text)) - opened
            opened |= spread
            pending += [self.fragments[name] for name in spread]
        return found

    def _chosen(self, operations: Sequence[_Operation]) -> str | None:
        if self.flaw in NAME_FLAWS:
            self.planted = True
            return NAME_FLAWS[self.flaw]
        name = self.chance.choice(operations).name
        if len(operations) > 1:
            return name
        return name if self.chance.happens(0.5) else self.chance.choice((None, ""))

    # Selections -----------------------------------------------------------------------------------

    def selection(self, kind: GraphQLNamedType, depth: int) -> str:
        """A selection set on a type."""
        counts = (1, 1, 1, 2, 2, 3) if depth == 0 else (1, 2, 3, 4, 6, 8)
        parts = [self._part(kind, depth)]
        while self.left > 0 and len(parts) < self.chance.choice(counts):
            parts.append(self._part(kind, depth))
        if self.flaw in SELECTION_FLAWS and not self.planted and self.chance.happens(0.4):
            parts.insert(self.chance.below(len(parts) + 1), self._flawed(kind))
        return f"{{{self.separator.join(filter(None, parts))}}}"

    def _flawed(self, kind: GraphQLNamedType) -> str:
        text = SELECTION_FLAWS[self.flaw](self, kind)
        self.planted = bool(text)
        return text

    def _part(self, kind: GraphQLNamedType, depth: int) -> str:
        way = self.chance.below(20)
        self.left -= 1
        if depth <= DEEPEST and isinstance(kind, GraphQLInterfaceType) and way < 12:
            # Little can be asked of what may be of any type.
            return self._inline(kind, depth)
        if way < 15 or depth > DEEPEST:
            return self._field(kind, depth)
        if way < 17:
            return self._inline(kind, depth)
        return self._spread(kind, depth)

    def _field(self, kind: GraphQLNamedType, depth: int) -> str:
        name = self._field_name(kind, depth)
        called = fields_of(self.schema, kind)[name]
        # The same key is always the same field with the same arguments, so all can be merged.
        keys = [name, name, name, f"{name}Again", f"a_{name}"]
        keys += [f"{name}{number}" for number in range(5)] if called.args else []
        key = self.chance.choice(keys)
        if (kind.name, key) not in self.heads:
            self.heads[kind.name, key] = self.head(called, name)
        head = self.heads[kind.name, key]
        alias = "" if key == name else f"{key}: "
        directives = self._directives("FIELD")
        return f"{alias}{head}{directives}{self.below(called, depth)}"

    def _field_name(self, kind: GraphQLNamedType, depth: int) -> str:
        known = fields_of(self.schema, kind)
        data = [name for name in known if not name.startswith("__")]
        # What may be unknown is asked for more often.
        data += [name for name in data if isinstance(named(known[name]), GraphQLEnumType)] * 2
        if self.chance.happens(0.25 if self.steps.get(kind.name) == 0 else 0.12):
            return self.chance.choice([name for name in known if name.startswith("__")])
        if self.steps.get(kind.name) and self.chance.happens(0.8):
            steps = {name: self.steps.get(named(known[name]).name, FAR) for name in data}
            return self.chance.choice([n for n, far in steps.items() if far == min(steps.values())])
        if depth < DEEPEST and self.chance.happens(0.4):
            composite = [name for name in data if not is_leaf(known[name])]
            return self.chance.choice(composite or data)
        if depth < DEEPEST:
            return self.chance.choice(data)
        return self.chance.choice([name for name in data if is_leaf(known[name])] or ["__typename"])

    def head(self, called: GraphQLField, name: str) -> str:
        """A field and its arguments."""
        return f"{name}{self.arguments(called.args, name)}"

    def below(self, called: GraphQLField, depth: int) -> str:
        """The selection set that a field needs, if it needs one."""
        return "" if is_leaf(called) else self.selection(named(called), depth + 1)

    def _inline(self, kind: GraphQLNamedType, depth: int) -> str:
        condition = self.chance.choice((None, *self._conditions(kind)))
        head = f"... on {condition.name}" if condition else "..."
        directives = self._directives("INLINE_FRAGMENT")
        return f"{head}{directives} {self.selection(condition or kind, depth + 1)}"

    def _conditions(self, kind: GraphQLNamedType) -> Sequence[GraphQLNamedType]:
        """The types that a fragment may be on where this type is selected from."""
        return [
            other
            for other in self.schema.type_map.values()
            if is_composite_type(other) and do_types_overlap(self.schema, cast(Any, kind), other)
        ]

    def _spread(self, kind: GraphQLNamedType, depth: int) -> str:
        condition = self.chance.choice(self._conditions(kind))
        known = self.of_type.setdefault(condition.name, [])
        if known and self.chance.happens(0.5):
            name = self.chance.choice(known)
        else:
            text = self.selection(condition, depth + 1)
            name = f"F{len(self.fragments)}"
            directives = self._directives("FRAGMENT_DEFINITION")
            self.fragments[name] = f"fragment {name} on {condition.name}{directives} {text}"
            known.append(name)
        return f"...{name}{self._directives('FRAGMENT_SPREAD')}"

    def _directives(self, location: str) -> str:
        if not self.chance.happens(0.16):
            return ""
        usable = directives_at(self.schema, location)
        count = 2 if self.chance.happens(0.2) else 1
        start = self.chance.below(len(usable)) if usable else 0
        chosen = [*usable[start:], *usable[:start]][:count]
        return "".join(f" @{one.name}{self.arguments(one.args, one.name)}" for one in chosen)

    # Values ---------------------------------------------------------------------------------------

    def arguments(self, known: Mapping[str, GraphQLArgument], owner: str) -> str:
        """Some of the arguments, and all that are required."""
        texts: list[str] = []
        for name, argument in known.items():
            share = 0.85 if _is_non_null(type_of(argument)) else 0.18
            # What leads somewhere had better find something.
            share *= 0.3 if self.steps else 1
            if is_required_argument(argument) or self.chance.happens(share):
                place = _Place(type_of(argument), owner, name)
                text = self._argument(place, has_default=not is_required_argument(argument))
                texts.append(f"{name}: {text}")
        if self.chance.happens(0.2):
            texts.reverse()
        return f"({', '.join(texts)})" if texts else ""

    def _argument(self, place: _Place, *, has_default: bool) -> str:
        if self.chance.happens(0.4):
            return self._variable(place, has_default=has_default)
        return self._literal(place)

    def _literal(self, place: _Place) -> str:
        if not _is_non_null(place.kind) and self.chance.happens(0.08):
            return "null"
        return self.written(place.kind, self.value(place), place)

    def _variable(self, place: _Place, *, has_default: bool = False) -> str:
        known = [name for name, old in self.variables.items() if old.type == str(place.kind)]
        if known and self.chance.happens(0.3):
            return f"${self.chance.choice(known)}"
        return self.declare(self._new_variable(place, has_default=has_default))

    def _new_variable(self, place: _Place, *, has_default: bool) -> _Variable:
        with_default = self.chance.happens(0.3)
        default = self.written(place.kind, self.value(place)) if with_default else ""
        if not _is_non_null(place.kind):
            if self.chance.happens(0.1):
                return _Variable(place, "null")
            strict = place.of(GraphQLNonNull(place.kind))
            return _Variable(strict if self.chance.happens(0.15) else place, default)
        if (default or has_default) and self.chance.happens(0.6):
            return _Variable(place.inner, default, is_nullable_here=False)
        return _Variable(place, default)

    def declare(self, variable: _Variable) -> str:
        """Add a variable; gives what stands for its value."""
        name = f"v{len(self.variables)}"
        self.variables[name] = variable
        return f"${name}"

    def _given(self) -> Mapping[str, Any]:
        """Values for the variables, not for all, and sometimes for one that is not there."""
        given = {name: self._value_for(variable) for name, variable in self.variables.items()}
        if self.chance.happens(0.08):
            given["unknown"] = self.chance.choice(WRONG[:-1])
        return {name: value for name, value in given.items() if value is not Undefined}

    def _value_for(self, variable: _Variable) -> Any:
        if variable.fixed:
            return variable.fixed[0]
        if self.is_careless and self.chance.happens(0.08):
            return self.chance.choice((Undefined, *WRONG))
        is_required = _is_non_null(variable.place.kind)
        if (variable.default or not is_required) and self.chance.happens(0.3):
            return Undefined
        if not is_required and self.chance.happens(0.15):
            return None if variable.is_nullable_here or self.is_careless else Undefined
        return self.value(variable.place, as_json=True)

    def value(self, place: _Place, *, as_json: bool = False) -> Any:
        """A value as JSON has it, in one of its spellings where `as_json`."""
        kind = place.inner.kind
        if _is_list(kind):
            return self._list(place.of(_inner(kind)), as_json=as_json)
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(place, kind, as_json=as_json)
        if isinstance(kind, GraphQLEnumType):
            return self.chance.choice(list(kind.values))
        make = SCALARS.get(kind.name, _Maker.text)
        value = make(self, place)
        # JSON has one kind of number: 1.0 is an Int too.
        is_spelled = as_json and kind.name == "Int" and self.chance.happens(0.15)
        return float(value) if is_spelled else value

    def _list(self, place: _Place, *, as_json: bool) -> Any:
        if self.chance.happens(0.2):
            return self.value(place, as_json=as_json)
        count = self.chance.choice((1, 1, 2, 3, 0))
        items = [self.value(place, as_json=as_json) for _ in range(count)]
        may_be_null = not _is_non_null(place.kind) or (as_json and self.is_careless)
        return [*items, None] if may_be_null and self.chance.happens(0.3) else items

    def _object(self, place: _Place, kind: GraphQLInputObjectType, *, as_json: bool) -> Any:
        # What ends comes first, since that is what the last choices take.
        def leads_on(item: tuple[str, GraphQLInputField]) -> tuple[bool, bool]:
            return named(item[1]) is kind, not _is_flat(item[1])

        known = sorted(kind.fields.items(), key=leads_on)
        wanted = {self.chance.choice(known)[0] for _ in range(self.chance.choice((1, 1, 2)))}
        return {
            name: self.value(place.of(type_of(known_field), name), as_json=as_json)
            for name, known_field in known
            if name in wanted or is_required_input_field(known_field)
        }

    def integer(self, _place: _Place) -> int:
        """A number, mostly small and above 0."""
        bad = self.is_careless and self.chance.happens(0.2)
        return self.chance.choice(BAD_NUMBERS if bad else NUMBERS)

    def text(self, place: _Place) -> str:
        """A text, mostly one that is stored, or a type's name."""
        if self.is_careless and self.chance.happens(0.25):
            return self.chance.choice(BAD_TEXTS)
        if self.chance.happens(0.05):
            return self.chance.choice(TEXTS)
        if place.owner.startswith("__"):
            return self.chance.choice(list(self.schema.type_map))
        return self.chance.choice(_texts(place.owner, place.name))

    def uuid(self, place: _Place) -> str:
        """A UUID, mostly a stored one, in one of its spellings."""
        pk = self.chance.choice(_uuids(place.owner))
        spellings = (pk, pk, pk.upper(), pk.replace("-", ""), f"{{{pk}}}", f"urn:uuid:{pk}")
        bad = ("", "nope", pk[:-1], f"{pk}0", pk.replace("-", "\0"))
        is_bad = self.is_careless and self.chance.happens(0.2)
        return self.chance.choice(bad if is_bad else spellings)

    def id(self, place: _Place) -> str:
        """The id of a node, mostly of a stored one."""
        if self.is_careless and self.chance.happens(0.4):
            return self.chance.choice(("", "nope", _id("Group", 1), self.uuid(place)))
        return self.chance.choice(_ids())

    def written(self, kind: Any, value: Any, place: _Place | None = None) -> str:
        """A value in GraphQL's language; at a place, with variables for some of its parts."""
        kind = _inner(kind) if _is_non_null(kind) else kind
        if _is_list(kind) and isinstance(value, list):
            of_type = _inner(kind)
            parts = [self._item(of_type, item, place) for item in cast(list[Any], value)]
            return f"[{', '.join(parts)}]"
        if _is_list(kind):
            return self.written(_inner(kind), value, place)
        if isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
            items = cast(dict[str, Any], value).items()
            inner = [(n, type_of(kind.fields[n]), v) for n, v in items]
            parts = [f"{n}: {self._item(t, v, place and place.of(t, n))}" for n, t, v in inner]
            return f"{{{', '.join(parts)}}}"
        if isinstance(kind, GraphQLEnumType) and isinstance(value, str):
            return value
        return self._quoted(value) if isinstance(value, str) else json.dumps(value)

    def _item(self, kind: Any, value: Any, place: _Place | None) -> str:
        if place and self.chance.happens(0.2):
            return self._variable(place.of(kind))
        return self.written(kind, value, place and place.of(kind))

    def _quoted(self, text: str) -> str:
        plain = text.isprintable() and not set(text) & set('"\\$.')
        if plain and self.chance.happens(0.2):
            return f'"""{text}"""'
        quoted = json.dumps(text, ensure_ascii=self.chance.happens(0.5))
        # What looks like a variable or a spread would be taken for one that is used.
        return quoted.replace("$", "\\u0024").replace("...", "\\u002e..")


SCALARS: Mapping[str, Callable[[_Maker, _Place], Any]] = {
    "Int": _Maker.integer,
    "Float": _Maker.integer,
    "UUID": _Maker.uuid,
    "ID": _Maker.id,
    "Boolean": lambda maker, _place: maker.chance.happens(0.5),
}


# The schema ------------------------------------------------------------------------------------


def fields_of(schema: GraphQLSchema, kind: GraphQLNamedType) -> Mapping[str, GraphQLField]:
    """The fields that can be selected from a type, simple ones first."""
    known: dict[str, GraphQLField] = {}
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        known = dict(sorted(kind.fields.items(), key=lambda item: not is_leaf(item[1])))
    known["__typename"] = TypeNameMetaFieldDef
    if kind is schema.query_type:
        known |= {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
    return known


def type_of(thing: GraphQLField | GraphQLArgument | GraphQLInputField) -> Any:
    """The type of a field or an argument; graphql-core's own annotation is only half known."""
    return cast(Any, thing).type


def named(thing: GraphQLField | GraphQLArgument | GraphQLInputField) -> GraphQLNamedType:
    """The type of a field or an argument, out of its lists."""
    return cast(GraphQLNamedType, get_named_type(type_of(thing)))


def _inner(kind: Any) -> Any:
    return kind.of_type


def _is_list(kind: Any) -> bool:
    return isinstance(kind, GraphQLList)


def _is_non_null(kind: Any) -> bool:
    return isinstance(kind, GraphQLNonNull)


def is_leaf(called: GraphQLField) -> bool:
    """Whether nothing is selected below a field."""
    return not is_composite_type(named(called))


def directives_at(schema: GraphQLSchema, location: str) -> Sequence[GraphQLDirective]:
    """The directives that may stand at a place of a document."""
    return [one for one in schema.directives if location in {where.name for where in one.locations}]


def _is_flat(known: GraphQLInputField) -> bool:
    return not isinstance(named(known), GraphQLInputObjectType)


# Flaws -----------------------------------------------------------------------------------------


Flaw = Callable[[_Maker, GraphQLNamedType], str]


def _some_field(
    maker: _Maker, kind: GraphQLNamedType, wanted: Callable[[GraphQLField], bool]
) -> Any:
    known = fields_of(maker.schema, kind).items()
    fitting = [(name, called) for name, called in known if wanted(called) and name != "__typename"]
    return maker.chance.choice(fitting) if fitting else None


def _whole(maker: _Maker, name: str, called: GraphQLField) -> str:
    return f"{maker.head(called, name)}{'' if is_leaf(called) else ' {__typename}'}"


def _with_leaf(text: str) -> Flaw:
    def flawed(maker: _Maker, kind: GraphQLNamedType) -> str:
        found = _some_field(maker, kind, lambda called: is_leaf(called) and not called.args)
        return text.replace("LEAF", found[0] if found else "__typename")

    return flawed


def _object_without_a_selection(maker: _Maker, kind: GraphQLNamedType) -> str:
    found = _some_field(maker, kind, lambda called: not is_leaf(called))
    return f"odd: {maker.head(found[1], found[0])}" if found else ""


def _conflicting_fields(maker: _Maker, kind: GraphQLNamedType) -> str:
    found = _some_field(maker, kind, lambda _called: True)
    return f"odd: __typename odd: {_whole(maker, *found)}" if found else ""


def _conflicting_arguments(maker: _Maker, kind: GraphQLNamedType) -> str:
    found = _some_field(maker, kind, lambda called: bool(called.args))
    if not found:
        return ""
    texts = {_whole(maker, *found) for _ in range(4)}
    return " ".join(f"odd: {text}" for text in texts) if len(texts) > 1 else ""


def _missing_argument(maker: _Maker, kind: GraphQLNamedType) -> str:
    found = _some_field(
        maker, kind, lambda called: any(map(is_required_argument, called.args.values()))
    )
    return f"odd: {found[0]}{maker.below(found[1], DEEPEST)}" if found else ""


def _with_argument(text: str) -> Flaw:
    def flawed(maker: _Maker, kind: GraphQLNamedType) -> str:
        found = _some_field(maker, kind, lambda called: bool(called.args))
        if not found:
            return ""
        given = text.replace("ARGUMENT", maker.chance.choice(list(found[1].args)))
        return f"odd: {found[0]}({given}){maker.below(found[1], DEEPEST)}"

    return flawed


def _misplaced_directive(maker: _Maker, _kind: GraphQLNamedType) -> str:
    usable = directives_at(maker.schema, "FIELD")
    others = [one for one in maker.schema.directives if one not in usable]
    return f"__typename @{maker.chance.choice(others).name}"


def _impossible_fragment(maker: _Maker, kind: GraphQLNamedType) -> str:
    others = [
        other.name
        for other in maker.schema.type_map.values()
        if is_composite_type(other)
        and not do_types_overlap(maker.schema, cast(Any, kind), cast(Any, other))
    ]
    return f"... on {maker.chance.choice(others)} {{__typename}}" if others else ""


def _cycle(maker: _Maker, kind: GraphQLNamedType) -> str:
    maker.fragments["Odd0"] = f"fragment Odd0 on {kind.name} {{ __typename ...Odd1 }}"
    maker.fragments["Odd1"] = f"fragment Odd1 on {kind.name} {{ ...Odd0 }}"
    return "...Odd0"


def _with_variable(kind: str, default: str = "", *, fixed: Any = True) -> Flaw:
    """A condition by a variable of this type, for which that is given."""

    def flawed(maker: _Maker, _kind: GraphQLNamedType) -> str:
        # A type is only ever written, so that one may stand here which is none.
        variable = _Variable(_Place(kind, "include", "if"), default, [fixed])
        way = maker.chance.choice(("include", "skip"))
        return f"__typename @{way}(if: {maker.declare(variable)})"

    return flawed


SELECTION_FLAWS: Mapping[str, Flaw] = {
    "unknown field": lambda _maker, _kind: "nonesuch",
    "leaf with a selection": _with_leaf("LEAF {__typename}"),
    "object without a selection": _object_without_a_selection,
    "conflicting fields": _conflicting_fields,
    "conflicting arguments": _conflicting_arguments,
    "unknown argument": _with_leaf("odd: LEAF(nonesuch: 1)"),
    "missing argument": _missing_argument,
    "argument of a wrong type": _with_argument("ARGUMENT: NONESUCH"),
    "argument of a wrong shape": _with_argument("ARGUMENT: {nonesuch: [1]}"),
    "repeated argument": _with_argument("ARGUMENT: null, ARGUMENT: null"),
    "unknown directive": lambda _maker, _kind: "__typename @nonesuch",
    "misplaced directive": _misplaced_directive,
    "repeated directive": lambda _maker, _kind: "__typename @skip(if: false) @skip(if: false)",
    "directive without its argument": lambda _maker, _kind: "__typename @skip",
    "undefined variable": lambda _maker, _kind: "__typename @skip(if: $nonesuch)",
    "variable of another type": _with_variable("String"),
    "nullable variable where none may be": _with_variable("Boolean"),
    "variable of an unknown type": _with_variable("Nonesuch"),
    "variable of an output type": _with_variable("Query"),
    "variable with a wrong default": _with_variable("Boolean!", '"x"'),
    "unknown fragment": lambda _maker, _kind: "...Nonesuch",
    "impossible fragment": _impossible_fragment,
    "fragment on a leaf": lambda _maker, _kind: "... on String {__typename}",
    "fragment on an unknown type": lambda _maker, _kind: "... on Nonesuch {__typename}",
    "cycle of fragments": _cycle,
    # What only its variables make wrong.
    "no value for a variable": _with_variable("Boolean!", fixed=Undefined),
    "null for a variable": _with_variable("Boolean!", fixed=None),
    "wrong value for a variable": _with_variable("Boolean!", fixed="true"),
    "null in place of a default": _with_variable("Boolean", "true", fixed=None),
    "a lone surrogate": _with_variable("Boolean!", fixed="\ud83d"),
}


def _added(*more: str) -> Callable[[_Maker, Sequence[str]], list[str]]:
    return lambda _maker, definitions: [*definitions, *more]


def _cut(maker: _Maker, definitions: Sequence[str]) -> list[str]:
    text = maker.separator.join(definitions)
    return [text[: maker.chance.below(len(text))] or "{"]


def _strewn(maker: _Maker, definitions: Sequence[str]) -> list[str]:
    text = maker.separator.join(definitions)
    place = maker.chance.below(len(text))
    return [
        text[:place] + maker.chance.choice(("}", "{", '"', "?", "\0", "🚀", "$")) + text[place:]
    ]


DOCUMENT_FLAWS: Mapping[str, Callable[[_Maker, Sequence[str]], list[str]]] = {
    "cut off": _cut,
    "a character too many": _strewn,
    "unused fragment": _added("fragment Unused on Query {__typename}"),
    "repeated fragment": _added(*["fragment Odd on Query {__typename}"] * 2, "{...Odd}"),
    "repeated operation": _added(*["query Odd {__typename}"] * 2),
    "operation without a name beside others": _added("{__typename}", "query Odd {__typename}"),
    "definition of a type": _added("type Odd {a: Int}"),
    "mutation": lambda _maker, _definitions: ["mutation {odd}"],
    "subscription": lambda _maker, _definitions: ["subscription {odd}"],
    "only a fragment": lambda _maker, _definitions: ["fragment Odd on Query {__typename}"],
    "empty": lambda _maker, _definitions: [""],
}
NAME_FLAWS: Mapping[str, str | None] = {
    "unknown operation name": "Nonesuch",
    "several operations and no name": None,
    "several operations and an empty name": "",
}
FLAWS = (*SELECTION_FLAWS, *DOCUMENT_FLAWS, *NAME_FLAWS, "unused variable", "repeated variable")
