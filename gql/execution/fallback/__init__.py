"""Execution by graphql-core, for operations that have no plan.

FlowQL executes operations in two ways. A plan is fast: it completes whole columns and never visits
an object. graphql-core visits every field of every object, but executes every valid operation,
including introspection and fields with their own resolvers. It is the reference for plans: property
tests compare the responses of both, byte by byte. This package has all code that only
graphql-core's execution needs.

executor.py   an operation → data and errors; caches introspection
selection.py  graphql-core's info → the columns selected below a field
loaders.py    batches the loads of many objects
"""
