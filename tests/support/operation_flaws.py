"""Flaws of GraphQL requests: each makes a document, its variables or the operation name invalid."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    Undefined,
    do_types_overlap,
    is_composite_type,
    is_required_argument,
)

from support.operation_generator import (
    MAX_DEPTH,
    DocumentFlaw,
    Flaws,
    OperationGenerator,
    Position,
    SelectionFlaw,
    Variable,
)
from support.schema_fields import directives_at, fields_of, is_leaf

# Selections -------------------------------------------------------------------------------------


def _choose_field(
    generator: OperationGenerator,
    type_: GraphQLNamedType,
    condition: Callable[[GraphQLField], bool],
) -> Any:
    """Return the name and definition of a field, or None if no field meets the condition."""
    fields = fields_of(generator.schema, type_).items()
    matches = [item for item in fields if condition(item[1]) and item[0] != "__typename"]
    return generator.chance.choice(matches) if matches else None


def _render_field(generator: OperationGenerator, name: str, field: GraphQLField) -> str:
    return f"{generator.field_head(field, name)}{'' if is_leaf(field) else ' {__typename}'}"


def _on_leaf(text: str) -> SelectionFlaw:
    def render(generator: OperationGenerator, type_: GraphQLNamedType) -> str:
        item = _choose_field(generator, type_, lambda field: is_leaf(field) and not field.args)
        return text.replace("LEAF", item[0] if item else "__typename")

    return render


def _on_argument(text: str) -> SelectionFlaw:
    def render(generator: OperationGenerator, type_: GraphQLNamedType) -> str:
        item = _choose_field(generator, type_, lambda field: bool(field.args))
        if not item:
            return ""
        name, field = item
        arguments = text.replace("ARGUMENT", generator.chance.choice(list(field.args)))
        return f"flawed: {name}({arguments}){generator.field_body(field, MAX_DEPTH)}"

    return render


def _with_variable(type_name: str, default: str = "", *, fixed: Any = True) -> SelectionFlaw:
    """Return a condition on a variable of this type, which has the fixed value."""

    def render(generator: OperationGenerator, _type: GraphQLNamedType) -> str:
        # The type is only rendered, so it need not exist.
        variable = Variable(Position(type_name, "include", "if"), default, [fixed])
        directive = generator.chance.choice(("include", "skip"))
        return f"__typename @{directive}(if: {generator.declare(variable)})"

    return render


def _omit_selection_set(generator: OperationGenerator, type_: GraphQLNamedType) -> str:
    item = _choose_field(generator, type_, lambda field: not is_leaf(field))
    return f"flawed: {generator.field_head(item[1], item[0])}" if item else ""


def _conflict_fields(generator: OperationGenerator, type_: GraphQLNamedType) -> str:
    item = _choose_field(generator, type_, lambda _field: True)
    return f"flawed: __typename flawed: {_render_field(generator, *item)}" if item else ""


def _conflict_arguments(generator: OperationGenerator, type_: GraphQLNamedType) -> str:
    item = _choose_field(generator, type_, lambda field: bool(field.args))
    if not item:
        return ""
    texts = {_render_field(generator, *item) for _ in range(4)}
    return " ".join(f"flawed: {text}" for text in texts) if len(texts) > 1 else ""


def _omit_argument(generator: OperationGenerator, type_: GraphQLNamedType) -> str:
    item = _choose_field(
        generator, type_, lambda field: any(map(is_required_argument, field.args.values()))
    )
    return f"flawed: {item[0]}{generator.field_body(item[1], MAX_DEPTH)}" if item else ""


def _misplace_directive(generator: OperationGenerator, _type: GraphQLNamedType) -> str:
    valid = directives_at(generator.schema, "FIELD")
    invalid = [directive for directive in generator.schema.directives if directive not in valid]
    return f"__typename @{generator.chance.choice(invalid).name}"


def _add_impossible_fragment(generator: OperationGenerator, type_: GraphQLNamedType) -> str:
    names = [
        other.name
        for other in generator.schema.type_map.values()
        if is_composite_type(other)
        and not do_types_overlap(generator.schema, cast(Any, type_), cast(Any, other))
    ]
    return f"... on {generator.chance.choice(names)} {{__typename}}" if names else ""


def _add_fragment_cycle(generator: OperationGenerator, type_: GraphQLNamedType) -> str:
    generator.fragments["Flawed0"] = f"fragment Flawed0 on {type_.name} {{ __typename ...Flawed1 }}"
    generator.fragments["Flawed1"] = f"fragment Flawed1 on {type_.name} {{ ...Flawed0 }}"
    return "...Flawed0"


def _insert_text(text: str) -> SelectionFlaw:
    return lambda _generator, _type: text


SELECTION_FLAWS: Mapping[str, SelectionFlaw] = {
    "unknown field": _insert_text("nonesuch"),
    "selection set on a leaf": _on_leaf("LEAF {__typename}"),
    "object without a selection set": _omit_selection_set,
    "conflicting fields": _conflict_fields,
    "conflicting arguments": _conflict_arguments,
    "unknown argument": _on_leaf("flawed: LEAF(nonesuch: 1)"),
    "missing argument": _omit_argument,
    "argument with an invalid enum value": _on_argument("ARGUMENT: NONESUCH"),
    "argument with an invalid object": _on_argument("ARGUMENT: {nonesuch: [1]}"),
    "duplicate argument": _on_argument("ARGUMENT: null, ARGUMENT: null"),
    "unknown directive": _insert_text("__typename @nonesuch"),
    "misplaced directive": _misplace_directive,
    "duplicate directive": _insert_text("__typename @skip(if: false) @skip(if: false)"),
    "directive without its argument": _insert_text("__typename @skip"),
    "undefined variable": _insert_text("__typename @skip(if: $nonesuch)"),
    "variable of another type": _with_variable("String"),
    "nullable variable for a non-null argument": _with_variable("Boolean"),
    "variable of unknown type": _with_variable("Nonesuch"),
    "variable of output type": _with_variable("Query"),
    "variable with an invalid default": _with_variable("Boolean!", '"x"'),
    "unknown fragment": _insert_text("...Nonesuch"),
    "impossible fragment": _add_impossible_fragment,
    "fragment on a leaf type": _insert_text("... on String {__typename}"),
    "fragment on an unknown type": _insert_text("... on Nonesuch {__typename}"),
    "fragment cycle": _add_fragment_cycle,
    # With these, the document is valid and the variables are not.
    "missing variable": _with_variable("Boolean!", fixed=Undefined),
    "null for a non-null variable": _with_variable("Boolean!", fixed=None),
    "invalid variable": _with_variable("Boolean!", fixed="true"),
    "null instead of a default": _with_variable("Boolean", "true", fixed=None),
    "lone surrogate": _with_variable("Boolean!", fixed="\ud83d"),
}

# Documents --------------------------------------------------------------------------------------


def _add(*definitions: str) -> DocumentFlaw:
    return lambda _generator, others: [*others, *definitions]


def _replace_all(text: str) -> DocumentFlaw:
    return lambda _generator, _definitions: [text]


def _truncate(generator: OperationGenerator, definitions: Sequence[str]) -> list[str]:
    text = generator.separator.join(definitions)
    return [text[: generator.chance.below(len(text))] or "{"]


def _insert_character(generator: OperationGenerator, definitions: Sequence[str]) -> list[str]:
    text = generator.separator.join(definitions)
    index = generator.chance.below(len(text))
    character = generator.chance.choice(("}", "{", '"', "?", "\0", "🚀", "$"))
    return [text[:index] + character + text[index:]]


DOCUMENT_FLAWS: Mapping[str, DocumentFlaw] = {
    "truncated document": _truncate,
    "extra character": _insert_character,
    "unused fragment": _add("fragment Unused on Query {__typename}"),
    "duplicate fragment": _add(*["fragment Flawed on Query {__typename}"] * 2, "{...Flawed}"),
    "duplicate operation": _add(*["query Flawed {__typename}"] * 2),
    "anonymous operation among others": _add("{__typename}", "query Flawed {__typename}"),
    "type definition": _add("type Flawed {a: Int}"),
    "mutation": _replace_all("mutation {flawed}"),
    "subscription": _replace_all("subscription {flawed}"),
    "no operation": _replace_all("fragment Flawed on Query {__typename}"),
    "empty document": _replace_all(""),
}

# Operation names --------------------------------------------------------------------------------

NAME_FLAWS: Mapping[str, str | None] = {
    "unknown operation name": "Nonesuch",
    "missing operation name": None,
    "empty operation name": "",
}

FLAWS_BY_PART = Flaws(SELECTION_FLAWS, DOCUMENT_FLAWS, NAME_FLAWS)
# The generator itself adds the last two to the variable definitions.
FLAWS = (
    *SELECTION_FLAWS,
    *DOCUMENT_FLAWS,
    *NAME_FLAWS,
    "unused variable",
    "duplicate variable",
)
