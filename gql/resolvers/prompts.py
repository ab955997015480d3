"""The prompts of prompt stages."""

from collections.abc import Sequence

from gql.resolvers.bindings import read_grouped
from models.batch import NO_GROUPS, GroupedRows
from models.database import Session
from models.queries.components import Component
from models.queries.prompts import PROMPT_ROW, PROMPT_STAGE, PROMPT_TABLE, PROMPTS, PromptsOfStages
from models.queries.viewer import Viewer
from models.tables.settings_table import SettingList


async def list_prompts(
    session: Session, viewer: Viewer, stages: Sequence[str], columns: tuple[str, ...]
) -> GroupedRows:
    """Return the visible prompts of stages, in the order in which a stage shows them.

    `stages` are primary keys of visible stages. Contains no row if the role may not read prompts.
    """
    links = None if session.is_flowql else find_links(session)
    if not (session.is_flowql or links):
        return NO_GROUPS
    query = PromptsOfStages(links, columns, viewer.rights)
    return await read_grouped(session, viewer, query, {"parents": stages})


def find_links(session: Session) -> SettingList | None:
    """Return authentik's table of the prompts of stages, None if prompts are not readable."""
    tables = session.catalog.settings_tables(Component.STAGE.value)
    lists = (item for table in tables if table.child.model == PROMPT_STAGE for item in table.lists)
    links = next((item for item in lists if item.name == PROMPTS), None)
    return links if can_read_prompts(session) else None


def can_read_prompts(session: Session) -> bool:
    """Return whether the role may read all columns of prompts."""
    return session.catalog.can_read(PROMPT_TABLE, "prompt_uuid", *PROMPT_ROW[1:])
