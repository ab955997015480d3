"""Execution of GraphQL operations: by plans that are compiled once, or by graphql-core.

executor.py       request → data and errors
request.py        the parameters of a request
documents.py      text → parsed and validated document, cached
limit_checks.py   document, variables → limit errors
cost.py           operation → depth, width and cost
validation.py     document → validation errors
variables.py      values of a request → coerced variables
compiler.py       operation → plan
plan.py           plan, variables → data and errors
completion.py     columns → response values
resolver_call.py  how plans call resolvers
declarations.py   how types declare their fields, for plans and for graphql-core
fields.py         declarations → Strawberry fields
fallback/         execution by graphql-core, for operations without a plan
graphql_core.py   typed access to graphql-core and Strawberry
"""
