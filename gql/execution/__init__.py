"""How operations are executed: by plans that are compiled once, or else by graphql-core.

executor.py   what a client asks → data and errors
documents.py  text → what is parsed and validated, once
guard.py      what is asked → whether it is within the limits
measure.py    operation → how deep, wide and dear it is
validation.py document → what is wrong with it
variables.py  what a client gives for variables → what it means
compiler.py   operation → plan, once
plan.py       plan, variables → what is told
walk.py       graphql-core, for all that is not planned, and as the judge of what is
selection.py  what graphql-core's way knows of the fields that are selected
fields.py     how types declare their fields, for plans and for graphql-core alike
"""
