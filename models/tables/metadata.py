"""The metadata of all tables, to create or check a whole database."""

from sqlalchemy import MetaData

from models.tables import access, cached_plan, flow, policy, prompt, schema_version, source, stage
from models.tables.columns import Table

__all__ = [
    "METADATA",
    "access",
    "cached_plan",
    "flow",
    "policy",
    "prompt",
    "schema_version",
    "source",
    "stage",
]

METADATA: MetaData = Table.metadata
