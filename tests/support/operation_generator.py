"""Generator of GraphQL requests from bytes."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    do_types_overlap,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

from support.schema_fields import (
    directives_at,
    fields_of,
    inner_type,
    is_flat,
    is_leaf,
    is_list,
    is_non_null,
    named_type_of,
    type_of,
)
from support.stored_values import global_id, stored_ids, stored_texts, stored_uuids

T = TypeVar("T")

MAX_DEPTH = 7
UNREACHABLE = 100
TEXTS = ("", "🚀", "it's", '"', "\\", "x" * 300, "\u2028\ufeff", "$v0 ...F0")
INVALID_TEXTS = ("\0", "a\0b", "\0\0", "\ud83d")
NUMBERS = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 7)
INVALID_NUMBERS = (0, -1, 101, 99, 2**31 - 1, -(2**31))
# Variable values that are invalid for most types.
INVALID_VALUES: Sequence[Any] = (
    *("", "x", "\0", "SLUG_ASC", "slug_asc", "\ud83d", "\u00e9"),
    *(True, False, None, 0, 1, 1.0, 1.5, -0.0, 2**31, -(2**31) - 1, 2**53 + 1, 2**70, 1e300),
    *([], [None], [[]], ["SLUG_ASC", None], [1, "x"], {}, {"a": 1}),
)
SEPARATORS = (" ", " ", "\n", ", ", " # a comment\n", "\n\t")


@dataclass(frozen=True, slots=True)
class RandomGraphQLRequest:
    """A GraphQL request and the flaw that it contains, if any.

    `others` are further sets of variables for the same document.
    """

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None = None
    flaw: str = ""
    others: Sequence[Mapping[str, Any]] = ()

    @property
    def body(self) -> bytes:
        """The body of the POST request. Escapes lone surrogates, which makes it invalid JSON."""
        return json.dumps(
            {
                "query": self.query,
                "variables": self.variables,
                "operationName": self.operation_name,
            }
        ).encode()


class Chance:
    """Choices determined by bytes. Missing bytes are 0, the first option and a false condition."""

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


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a value: its type, the field or directive, and the argument."""

    type_: Any
    owner: str
    name: str

    def with_type(self, type_: Any, name: str | None = None) -> "Position":
        return Position(type_, self.owner, name or self.name)

    @property
    def nullable(self) -> "Position":
        return self.with_type(inner_type(self.type_)) if is_non_null(self.type_) else self


@dataclass(frozen=True, slots=True)
class Variable:
    """A declared variable. `fixed` contains its value, if any; Undefined omits the variable."""

    position: Position
    default: str = ""
    fixed: Sequence[Any] = ()
    accepts_null: bool = True

    @property
    def type(self) -> str:
        return str(self.position.type_)


@dataclass(slots=True)
class Operation:
    """The selection set of an operation, and its name."""

    text: str
    name: str


# Returns the text of a selection with the flaw, or an empty string if the type has no place for it.
SelectionFlaw: TypeAlias = Callable[["OperationGenerator", GraphQLNamedType], str]
DocumentFlaw: TypeAlias = Callable[["OperationGenerator", Sequence[str]], list[str]]


class Flaws(NamedTuple):
    """The flaws by the part of the request that contains them; names have an operation name."""

    selections: Mapping[str, SelectionFlaw]
    documents: Mapping[str, DocumentFlaw]
    names: Mapping[str, str | None]


@cache
def _distances(schema: GraphQLSchema, target: str) -> Mapping[str, int]:
    """Return the number of fields on the shortest path to the target, by type."""
    distances = {target: 0}
    for distance in range(1, UNREACHABLE):
        for type_ in schema.type_map.values():
            fields = fields_of(schema, type_).values()
            reachable = (distances.get(named_type_of(field_).name) for field_ in fields)
            if type_.name not in distances and distance - 1 in reachable:
                distances[type_.name] = distance
    return distances


class OperationGenerator:
    """Generator of one request. Collects the variables and fragments of its selections."""

    def __init__(
        self, schema: GraphQLSchema, chance: Chance, flaw: str, flaws: Flaws, target: str = ""
    ) -> None:
        self.schema = schema
        self.chance = chance
        self.flaw = flaw
        self.flaws = flaws
        self.distances = _distances(schema, target) if target else dict[str, int]()
        self.has_flaw = False
        self.heads: dict[tuple[str, str], str] = {}
        self.fragments: dict[str, str] = {}
        self.fragments_by_type: dict[str, list[str]] = {}
        self.variables: dict[str, Variable] = {}
        self.allows_invalid_values = False
        self.separator = " "
        self.remaining_fields = 0

    @property
    def query_type(self) -> GraphQLObjectType:
        return cast(GraphQLObjectType, self.schema.query_type)

    # The document ---------------------------------------------------------------------------------

    def generate(self, others: int) -> RandomGraphQLRequest:
        self.allows_invalid_values = self.chance.happens(0.3)
        self.separator = self.chance.choice(SEPARATORS)
        # A request with a flaw is rejected as a whole, so it is kept small.
        sizes = (2, 3, 5) if self.flaw else (3, 5, 8, 12, 18, 26, 36)
        self.remaining_fields = self.chance.choice(sizes)
        operations = self._generate_operations()
        definitions = [self._render_operation(operation) for operation in operations]
        definitions += self.fragments.values()
        if self.flaw in self.flaws.documents:
            self.has_flaw = True
            definitions = self.flaws.documents[self.flaw](self, definitions)
        if self.chance.happens(0.3):
            definitions.reverse()
        return RandomGraphQLRequest(
            self.separator.join(definitions),
            self._generate_values(),
            self._choose_operation(operations),
            self.flaw if self.has_flaw else "",
            [self._generate_values() for _ in range(others)],
        )

    def _generate_operations(self) -> Sequence[Operation]:
        count = 2 + self.chance.below(2) if self.chance.happens(0.12) else 1
        if self.flaw in self.flaws.names:
            count = 2
        operations: list[Operation] = []
        for number in range(count):
            text = self.selection_set(self.query_type, 0)
            if self.flaw in self.flaws.selections and not self.has_flaw:
                text = f"{{{self._generate_flaw(self.query_type)} {text[1:]}"
            name = f"Q{number}" if count > 1 or self.chance.happens(0.2) else ""
            operations.append(Operation(text, name))
        return operations

    def _render_operation(self, operation: Operation) -> str:
        names = sorted(self._used_variables(operation.text), key=lambda name: int(name[1:]))
        declarations = [f"${name}: {self._render_declaration(name)}" for name in names]
        if self.flaw == "unused variable":
            self.has_flaw = True
            declarations.append("$unused: Int")
        if self.flaw == "duplicate variable":
            self.has_flaw = True
            declarations += [declarations[0] if declarations else "$unused: Int"] * 2
        variables = f"({', '.join(declarations)})" if declarations else ""
        is_shorthand = not (variables or operation.name) and not self.chance.happens(0.3)
        header = "" if is_shorthand else f"query {operation.name}{variables} "
        return f"{header}{operation.text}"

    def _render_declaration(self, name: str) -> str:
        variable = self.variables[name]
        return f"{variable.type} = {variable.default}" if variable.default else variable.type

    def _used_variables(self, text: str) -> set[str]:
        pending, visited, names = [text], set[str](), set[str]()
        while pending:
            text = pending.pop()
            names.update(re.findall(r"\$(v\d+)", text))
            spreads = set(re.findall(r"\.\.\.(F\d+)", text)) - visited
            visited |= spreads
            pending += [self.fragments[name] for name in spreads]
        return names

    def _choose_operation(self, operations: Sequence[Operation]) -> str | None:
        if self.flaw in self.flaws.names:
            self.has_flaw = True
            return self.flaws.names[self.flaw]
        name = self.chance.choice(operations).name
        if len(operations) > 1:
            return name
        return name if self.chance.happens(0.5) else self.chance.choice((None, ""))

    # Selections -----------------------------------------------------------------------------------

    def selection_set(self, type_: GraphQLNamedType, depth: int) -> str:
        """Return a selection set on a type."""
        counts = (1, 1, 1, 2, 2, 3) if depth == 0 else (1, 2, 3, 4, 6, 8)
        selections = [self._generate_selection(type_, depth)]
        while self.remaining_fields > 0 and len(selections) < self.chance.choice(counts):
            selections.append(self._generate_selection(type_, depth))
        if self.flaw in self.flaws.selections and not self.has_flaw and self.chance.happens(0.4):
            index = self.chance.below(len(selections) + 1)
            selections.insert(index, self._generate_flaw(type_))
        return f"{{{self.separator.join(filter(None, selections))}}}"

    def _generate_flaw(self, type_: GraphQLNamedType) -> str:
        text = self.flaws.selections[self.flaw](self, type_)
        self.has_flaw = bool(text)
        return text

    def _generate_selection(self, type_: GraphQLNamedType, depth: int) -> str:
        number = self.chance.below(20)
        self.remaining_fields -= 1
        if depth <= MAX_DEPTH and isinstance(type_, GraphQLInterfaceType) and number < 12:
            # An interface has few fields of its own.
            return self._generate_inline_fragment(type_, depth)
        if number < 15 or depth > MAX_DEPTH:
            return self._generate_field(type_, depth)
        if number < 17:
            return self._generate_inline_fragment(type_, depth)
        return self._generate_spread(type_, depth)

    def _generate_field(self, type_: GraphQLNamedType, depth: int) -> str:
        name = self._choose_field(type_, depth)
        definition = fields_of(self.schema, type_)[name]
        # A response key always has the same field and arguments, so all fields can be merged.
        keys = [name, name, name, f"{name}Again", f"a_{name}"]
        keys += [f"{name}{number}" for number in range(5)] if definition.args else []
        key = self.chance.choice(keys)
        if (type_.name, key) not in self.heads:
            self.heads[type_.name, key] = self.field_head(definition, name)
        head = self.heads[type_.name, key]
        alias = "" if key == name else f"{key}: "
        directives = self._generate_directives("FIELD")
        return f"{alias}{head}{directives}{self.field_body(definition, depth)}"

    def _choose_field(self, type_: GraphQLNamedType, depth: int) -> str:
        fields = fields_of(self.schema, type_)
        names = [name for name in fields if not name.startswith("__")]
        # Enum fields are more frequent because their values may be unknown.
        names += [
            name for name in names if isinstance(named_type_of(fields[name]), GraphQLEnumType)
        ] * 2
        if self.chance.happens(0.25 if self.distances.get(type_.name) == 0 else 0.12):
            return self.chance.choice([name for name in fields if name.startswith("__")])
        if self.distances.get(type_.name) and self.chance.happens(0.8):
            distances = {
                name: self.distances.get(named_type_of(fields[name]).name, UNREACHABLE)
                for name in names
            }
            shortest = min(distances.values())
            nearest = [name for name, distance in distances.items() if distance == shortest]
            return self.chance.choice(nearest)
        if depth < MAX_DEPTH and self.chance.happens(0.4):
            composite = [name for name in names if not is_leaf(fields[name])]
            return self.chance.choice(composite or names)
        if depth < MAX_DEPTH:
            return self.chance.choice(names)
        leaves = [name for name in names if is_leaf(fields[name])]
        return self.chance.choice(leaves or ["__typename"])

    def field_head(self, definition: GraphQLField, name: str) -> str:
        """Return a field with its arguments."""
        return f"{name}{self._generate_arguments(definition.args, name)}"

    def field_body(self, definition: GraphQLField, depth: int) -> str:
        """Return the selection set of a field, empty for a leaf."""
        return (
            "" if is_leaf(definition) else self.selection_set(named_type_of(definition), depth + 1)
        )

    def _generate_inline_fragment(self, type_: GraphQLNamedType, depth: int) -> str:
        condition = self.chance.choice((None, *self._type_conditions(type_)))
        head = f"... on {condition.name}" if condition else "..."
        directives = self._generate_directives("INLINE_FRAGMENT")
        return f"{head}{directives} {self.selection_set(condition or type_, depth + 1)}"

    def _type_conditions(self, type_: GraphQLNamedType) -> Sequence[GraphQLNamedType]:
        return [
            other
            for other in self.schema.type_map.values()
            if is_composite_type(other) and do_types_overlap(self.schema, cast(Any, type_), other)
        ]

    def _generate_spread(self, type_: GraphQLNamedType, depth: int) -> str:
        condition = self.chance.choice(self._type_conditions(type_))
        names = self.fragments_by_type.setdefault(condition.name, [])
        if names and self.chance.happens(0.5):
            name = self.chance.choice(names)
        else:
            text = self.selection_set(condition, depth + 1)
            name = f"F{len(self.fragments)}"
            directives = self._generate_directives("FRAGMENT_DEFINITION")
            self.fragments[name] = f"fragment {name} on {condition.name}{directives} {text}"
            names.append(name)
        return f"...{name}{self._generate_directives('FRAGMENT_SPREAD')}"

    def _generate_directives(self, location: str) -> str:
        if not self.chance.happens(0.16):
            return ""
        valid = directives_at(self.schema, location)
        count = 2 if self.chance.happens(0.2) else 1
        start = self.chance.below(len(valid)) if valid else 0
        chosen = [*valid[start:], *valid[:start]][:count]
        return "".join(
            f" @{directive.name}{self._generate_arguments(directive.args, directive.name)}"
            for directive in chosen
        )

    # Values ---------------------------------------------------------------------------------------

    def _generate_arguments(self, arguments: Mapping[str, GraphQLArgument], owner: str) -> str:
        texts: list[str] = []
        for name, argument in arguments.items():
            share = 0.85 if is_non_null(type_of(argument)) else 0.18
            # Filters would make the path to the target less likely to find rows.
            share *= 0.3 if self.distances else 1
            if is_required_argument(argument) or self.chance.happens(share):
                position = Position(type_of(argument), owner, name)
                has_default = not is_required_argument(argument)
                text = self._generate_argument(position, has_default=has_default)
                texts.append(f"{name}: {text}")
        if self.chance.happens(0.2):
            texts.reverse()
        return f"({', '.join(texts)})" if texts else ""

    def _generate_argument(self, position: Position, *, has_default: bool) -> str:
        if self.chance.happens(0.4):
            return self._generate_variable(position, has_default=has_default)
        return self._generate_literal(position)

    def _generate_literal(self, position: Position) -> str:
        if not is_non_null(position.type_) and self.chance.happens(0.08):
            return "null"
        return self._render_value(position.type_, self._generate_value(position), position)

    def _generate_variable(self, position: Position, *, has_default: bool = False) -> str:
        type_ = str(position.type_)
        names = [name for name, variable in self.variables.items() if variable.type == type_]
        if names and self.chance.happens(0.3):
            return f"${self.chance.choice(names)}"
        return self.declare(self._build_variable(position, has_default=has_default))

    def _build_variable(self, position: Position, *, has_default: bool) -> Variable:
        default = ""
        if self.chance.happens(0.3):
            default = self._render_value(position.type_, self._generate_value(position))
        if not is_non_null(position.type_):
            if self.chance.happens(0.1):
                return Variable(position, "null")
            non_null = position.with_type(GraphQLNonNull(position.type_))
            return Variable(non_null if self.chance.happens(0.15) else position, default)
        if (default or has_default) and self.chance.happens(0.6):
            return Variable(position.nullable, default, accepts_null=False)
        return Variable(position, default)

    def declare(self, variable: Variable) -> str:
        """Add a variable and return its reference."""
        name = f"v{len(self.variables)}"
        self.variables[name] = variable
        return f"${name}"

    def _generate_values(self) -> Mapping[str, Any]:
        """Return values for most variables, and sometimes for an unknown one."""
        values = {
            name: self._generate_variable_value(variable)
            for name, variable in self.variables.items()
        }
        if self.chance.happens(0.08):
            values["unknown"] = self.chance.choice(INVALID_VALUES[:-1])
        return {name: value for name, value in values.items() if value is not Undefined}

    def _generate_variable_value(self, variable: Variable) -> Any:
        if variable.fixed:
            return variable.fixed[0]
        if self.allows_invalid_values and self.chance.happens(0.08):
            return self.chance.choice((Undefined, *INVALID_VALUES))
        is_required = is_non_null(variable.position.type_)
        if (variable.default or not is_required) and self.chance.happens(0.3):
            return Undefined
        if not is_required and self.chance.happens(0.15):
            return None if variable.accepts_null or self.allows_invalid_values else Undefined
        return self._generate_value(variable.position, as_json=True)

    def _generate_value(self, position: Position, *, as_json: bool = False) -> Any:
        """Return a JSON value. With `as_json` it may have forms that only JSON values have."""
        type_ = position.nullable.type_
        if is_list(type_):
            return self._generate_list(position.with_type(inner_type(type_)), as_json=as_json)
        if isinstance(type_, GraphQLInputObjectType):
            return self._generate_object(position, type_, as_json=as_json)
        if isinstance(type_, GraphQLEnumType):
            return self.chance.choice(list(type_.values))
        generate = SCALARS.get(type_.name, OperationGenerator.generate_text)
        value = generate(self, position)
        # JSON does not distinguish integers from floats, so 1.0 is an Int.
        is_float = as_json and type_.name == "Int" and self.chance.happens(0.15)
        return float(value) if is_float else value

    def _generate_list(self, position: Position, *, as_json: bool) -> Any:
        if self.chance.happens(0.2):
            return self._generate_value(position, as_json=as_json)
        count = self.chance.choice((1, 1, 2, 3, 0))
        items = [self._generate_value(position, as_json=as_json) for _ in range(count)]
        accepts_null = not is_non_null(position.type_) or (as_json and self.allows_invalid_values)
        return [*items, None] if accepts_null and self.chance.happens(0.3) else items

    def _generate_object(
        self, position: Position, type_: GraphQLInputObjectType, *, as_json: bool
    ) -> Any:
        # Flat fields come first, because missing bytes choose the first option.
        def sort_key(item: tuple[str, GraphQLInputField]) -> tuple[bool, bool]:
            return named_type_of(item[1]) is type_, not is_flat(item[1])

        fields = sorted(type_.fields.items(), key=sort_key)
        names = {self.chance.choice(fields)[0] for _ in range(self.chance.choice((1, 1, 2)))}
        return {
            name: self._generate_value(position.with_type(type_of(field_), name), as_json=as_json)
            for name, field_ in fields
            if name in names or is_required_input_field(field_)
        }

    def generate_integer(self, _position: Position) -> int:
        """Return an integer, usually small and positive."""
        is_invalid = self.allows_invalid_values and self.chance.happens(0.2)
        return self.chance.choice(INVALID_NUMBERS if is_invalid else NUMBERS)

    def generate_text(self, position: Position) -> str:
        """Return a string, usually a stored one or, for introspection, the name of a type."""
        if self.allows_invalid_values and self.chance.happens(0.25):
            return self.chance.choice(INVALID_TEXTS)
        if self.chance.happens(0.05):
            return self.chance.choice(TEXTS)
        if position.owner.startswith("__"):
            return self.chance.choice(list(self.schema.type_map))
        return self.chance.choice(stored_texts(position.owner, position.name))

    def generate_uuid(self, position: Position) -> str:
        """Return a UUID in one of its spellings, usually a stored one."""
        pk = self.chance.choice(stored_uuids(position.owner))
        spellings = (pk, pk, pk.upper(), pk.replace("-", ""), f"{{{pk}}}", f"urn:uuid:{pk}")
        invalid = ("", "nope", pk[:-1], f"{pk}0", pk.replace("-", "\0"))
        is_invalid = self.allows_invalid_values and self.chance.happens(0.2)
        return self.chance.choice(invalid if is_invalid else spellings)

    def generate_id(self, position: Position) -> str:
        """Return the ID of a node, usually of a stored one."""
        if self.allows_invalid_values and self.chance.happens(0.4):
            uuid = self.generate_uuid(position)
            return self.chance.choice(("", "nope", global_id("Group", 1), uuid))
        return self.chance.choice(stored_ids())

    def _render_value(self, type_: Any, value: Any, position: Position | None = None) -> str:
        """Render a literal. With a position, some of its parts become variables."""
        type_ = inner_type(type_) if is_non_null(type_) else type_
        if is_list(type_) and isinstance(value, list):
            item_type = inner_type(type_)
            parts = [
                self._render_part(item_type, item, position) for item in cast(list[Any], value)
            ]
            return f"[{', '.join(parts)}]"
        if is_list(type_):
            return self._render_value(inner_type(type_), value, position)
        if isinstance(type_, GraphQLInputObjectType) and isinstance(value, dict):
            parts = [
                self._render_field(name, type_of(type_.fields[name]), item, position)
                for name, item in cast(dict[str, Any], value).items()
            ]
            return f"{{{', '.join(parts)}}}"
        if isinstance(type_, GraphQLEnumType) and isinstance(value, str):
            return value
        return self._render_string(value) if isinstance(value, str) else json.dumps(value)

    def _render_field(self, name: str, type_: Any, value: Any, position: Position | None) -> str:
        part = self._render_part(type_, value, position and position.with_type(type_, name))
        return f"{name}: {part}"

    def _render_part(self, type_: Any, value: Any, position: Position | None) -> str:
        if position and self.chance.happens(0.2):
            return self._generate_variable(position.with_type(type_))
        return self._render_value(type_, value, position and position.with_type(type_))

    def _render_string(self, text: str) -> str:
        is_plain = text.isprintable() and not set(text) & set('"\\$.')
        if is_plain and self.chance.happens(0.2):
            return f'"""{text}"""'
        quoted = json.dumps(text, ensure_ascii=self.chance.happens(0.5))
        # Unescaped, these would count as used variables and fragments.
        return quoted.replace("$", "\\u0024").replace("...", "\\u002e..")


SCALARS: Mapping[str, Callable[[OperationGenerator, Position], Any]] = {
    "Int": OperationGenerator.generate_integer,
    "Float": OperationGenerator.generate_integer,
    "UUID": OperationGenerator.generate_uuid,
    "ID": OperationGenerator.generate_id,
    "Boolean": lambda generator, _position: generator.chance.happens(0.5),
}
