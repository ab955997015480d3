"""Validation of documents by graphql-core, with bounds on its effort."""

from collections.abc import Sequence
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    ValidationContext,
    specified_rules,
    validate,
)
from graphql.validation.validate import ValidationAbortedError

from gql.errors import LimitExceededError

# Searching suggestions for unknown names takes 1 to 2 ms per error.
MAX_ERRORS = 20
# The budget of graphql-core's check that fields with the same response key can be merged. Two
# fields take two steps of about 1 µs; 100 fields with one key take half of the budget.
MAX_COMPARISONS = 20_000
TOO_MANY_COMPARISONS = (
    "The document has too many fields with the same response key to compare: the limit is {} steps."
)


class BoundedOverlappingFieldsRule(OverlappingFieldsCanBeMergedRule):
    """graphql-core's rule with a smaller budget; its default budget allows more than 100 ms."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MAX_COMPARISONS

    def enter_selection_set(
        self, selection_set: SelectionSetNode, _key: Any, parent: Any, *_args: Any
    ) -> None:
        """Compare the fields of a selection set. Raises ValidationAbortedError."""
        try:
            super().enter_selection_set(selection_set, _key, parent)
        except ValidationAbortedError:
            if self.rule_context.remaining_complexity_budget >= 0:
                # The validation has reached MAX_ERRORS.
                raise
            error = LimitExceededError(TOO_MANY_COMPARISONS.format(MAX_COMPARISONS))
            raise ValidationAbortedError(str(error), original_error=error) from None


RULES = tuple(
    BoundedOverlappingFieldsRule if rule is OverlappingFieldsCanBeMergedRule else rule
    for rule in specified_rules
)


class Validator:
    """Validates documents against one schema."""

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        hides_suggestions: bool = False,
        forbids_introspection: bool = False,
    ) -> None:
        self._schema = schema
        self._hides_suggestions = hides_suggestions
        self._rules = [*RULES, *([NoSchemaIntrospectionCustomRule] * forbids_introspection)]

    def validate(self, document: DocumentNode) -> Sequence[GraphQLError]:
        """Return the errors of a document; only the limit error if it exceeds a limit."""
        errors = validate(self._schema, document, self._rules, MAX_ERRORS, self._hides_suggestions)
        limit_errors = [
            error for error in errors if isinstance(error.original_error, LimitExceededError)
        ]
        return limit_errors or errors
