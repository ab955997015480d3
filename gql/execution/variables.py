"""The variables of an operation, coerced with the results of graphql-core.

The types and the default values do not depend on a request. They are coerced once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    get_variable_values,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource

from gql.execution.graphql_core import is_nullable, leaf_coercion_of, leaf_type_of

# graphql-core's own limit at execution.
MAX_ERRORS = 50


class Variables:
    """The declared variables of a valid operation."""

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
        signatures = (get_variable_signature(schema, definition) for definition in definitions)
        self._signatures = [
            signature for signature in signatures if isinstance(signature, GraphQLVariableSignature)
        ]
        # Input objects may be nested too deeply; graphql-core reports that.
        self._are_leaves = all(map(leaf_type_of, self._signatures))
        coercions = map(leaf_coercion_of, self._signatures if self._are_leaves else ())
        self._coercions = {
            signature.name: coerce
            for signature, coerce in zip(self._signatures, coercions, strict=False)
        }
        self._defaults: Mapping[str, Any] = {
            signature.name: default
            for signature, definition in zip(self._signatures, definitions, strict=True)
            if (default := self._coerce_default(signature.name, definition)) is not Undefined
        }

    def coerce(self, raw_values: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """Return the coerced values of a request's variables, or all their errors."""
        if not self._are_leaves:
            return self._coerce_with_core(raw_values)
        values = VariableValues({}, {})
        for signature in self._signatures:
            if not self._coerce(signature, raw_values.get(signature.name, Undefined), values):
                return self._coerce_with_core(raw_values)
        return values

    def _coerce(
        self, signature: GraphQLVariableSignature, value: Any, values: VariableValues
    ) -> bool:
        """Add the coerced value to `values`; return False if it is invalid or missing."""
        name = signature.name
        values.sources[name] = VariableValueSource(signature, value)
        if value is not Undefined:
            coerced = values.coerced[name] = self._coercions[name](value)
            return coerced is not Undefined
        if name in self._defaults:
            values.coerced[name] = self._defaults[name]
            return True
        return is_nullable(signature)

    def _coerce_default(self, name: str, definition: VariableDefinitionNode) -> Any:
        if not definition.default_value:
            return Undefined
        values = get_variable_values(self._schema, [definition], {})
        return values.coerced[name] if isinstance(values, VariableValues) else Undefined

    def _coerce_with_core(
        self, raw_values: Mapping[str, Any]
    ) -> VariableValues | list[GraphQLError]:
        """Coerce with graphql-core, which has the best error messages."""
        return get_variable_values(
            self._schema,
            self._definitions,
            dict(raw_values),
            max_errors=MAX_ERRORS,
            hide_suggestions=self._hides_suggestions,
        )
