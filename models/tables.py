"""All tables at once, for whoever creates or checks a whole database."""

from sqlalchemy import MetaData

from models import access, cached_plan, flow, policy, stage
from models.columns import Table

__all__ = ["METADATA", "access", "cached_plan", "flow", "policy", "stage"]

METADATA: MetaData = Table.metadata
