"""Execution by graphql-core, for operations that have no plan.

FlowQL executes operations in two ways. A plan is fast: it completes whole columns and never visits
an object. graphql-core visits every field of every object, but it executes everything: introspection
and fields with their own resolvers. It is also the reference: property tests compare the responses
of plans with graphql-core's, byte by byte. All code that only graphql-core's execution needs is in
this package.

executor.py   an operation → data and errors; caches introspection
selection.py  graphql-core's info → the columns selected below a field
loaders.py    batches the loads of many objects
"""
