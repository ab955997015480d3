"""The variables of an operation, coerced as graphql-core coerces them.

What does not depend on a request, the types and the defaults, is found out once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import graphql
from graphql import (
    GraphQLError,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    get_named_type,
    get_variable_values,
    is_leaf_type,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource

# graphql-core's own, when it executes.
MAX_ERRORS = 50


class Variables:
    """The variables that a valid operation declares."""

    def __init__(
        self,
        schema: GraphQLSchema,
        definitions: Sequence[VariableDefinitionNode],
        *,
        hides_suggestions: bool = False,
    ) -> None:
        self._schema = schema
        self._hides_suggestions = hides_suggestions
        self._definitions = definitions
        found = (get_variable_signature(schema, definition) for definition in definitions)
        self._signatures = [item for item in found if isinstance(item, GraphQLVariableSignature)]
        # Objects may be nested too deeply, which graphql-core finds out.
        self._are_flat = all(is_leaf_type(_named_type(one)) for one in self._signatures)
        self._defaults: Mapping[str, Any] = {
            signature.name: default
            for signature, definition in zip(self._signatures, definitions, strict=True)
            if (default := self._default(signature.name, definition)) is not Undefined
        }

    def coerce(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """The values for what a client has given, or all that is wrong with it."""
        if not self._are_flat:
            return self._coerce_by_core(given)
        values = VariableValues({}, {})
        for signature in self._signatures:
            if not self._coerce(signature, given.get(signature.name, Undefined), values):
                return self._coerce_by_core(given)
        return values

    def _coerce(
        self, signature: GraphQLVariableSignature, value: Any, values: VariableValues
    ) -> bool:
        """Whether the value can be used, or done without; it is then among the values."""
        name = signature.name
        values.sources[name] = VariableValueSource(signature, value)
        if value is not Undefined:
            coerced = values.coerced[name] = _coerce_value(value, signature)
            return coerced is not Undefined
        if name in self._defaults:
            values.coerced[name] = self._defaults[name]
            return True
        return not isinstance(cast(Any, signature).type, GraphQLNonNull)

    def _default(self, name: str, definition: VariableDefinitionNode) -> Any:
        if not definition.default_value:
            return Undefined
        found = get_variable_values(self._schema, [definition], {})
        return found.coerced[name] if isinstance(found, VariableValues) else Undefined

    def _coerce_by_core(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """What graphql-core says, which words errors best."""
        return get_variable_values(
            self._schema,
            self._definitions,
            dict(given),
            max_errors=MAX_ERRORS,
            hide_suggestions=self._hides_suggestions,
        )


def _named_type(signature: Any) -> GraphQLNamedType:
    return cast(GraphQLNamedType, get_named_type(signature.type))


def _coerce_value(value: Any, signature: Any) -> Any:
    return cast(Any, graphql.coerce_input_value)(value, signature.type)
