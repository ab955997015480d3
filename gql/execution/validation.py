"""Validation: graphql-core's, with bounds to what it may take."""

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

# Finding the names that somebody may have meant takes a millisecond or two for each error.
MAX_ERRORS = 20
# How much graphql-core may compare to find out whether fields of one name can be merged: two steps for
# two fields, each a microsecond or so. A hundred fields of one name are half of it.
MAX_COMPARISONS = 20_000
TOO_MANY_COMPARISONS = (
    "The document has too many fields of one name to compare: the limit is {} steps."
)


class BoundedOverlappingFieldsRule(OverlappingFieldsCanBeMergedRule):
    """graphql-core's rule, with a smaller budget; else a hundred milliseconds are soon spent."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MAX_COMPARISONS

    def enter_selection_set(
        self, selection_set: SelectionSetNode, _key: Any, parent: Any, *_args: Any
    ) -> None:
        """Compare the fields of one; raises what ends the validation."""
        try:
            super().enter_selection_set(selection_set, _key, parent)
        except ValidationAbortedError:
            if self.rule_context.remaining_complexity_budget >= 0:
                # There are too many errors.
                raise
            error = LimitExceededError(TOO_MANY_COMPARISONS.format(MAX_COMPARISONS))
            raise ValidationAbortedError(str(error), original_error=error) from None


RULES = tuple(
    BoundedOverlappingFieldsRule if rule is OverlappingFieldsCanBeMergedRule else rule
    for rule in specified_rules
)


class Validator:
    """Says what is wrong with documents over one schema."""

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
        """What is not valid in a document; if finding that out took too long, just this."""
        errors = validate(self._schema, document, self._rules, MAX_ERRORS, self._hides_suggestions)
        refused = [one for one in errors if isinstance(one.original_error, LimitExceededError)]
        return refused or errors
