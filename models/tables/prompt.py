"""The table of prompts, the fields of prompt stages."""

from sqlmodel import Field

from models.tables.columns import TEXT, UUID, Table


class Prompt(Table, table=True):
    """A field that prompt stages show."""

    __tablename__ = "authentik_stages_prompt_prompt"

    prompt_uuid: str = Field(sa_type=UUID, primary_key=True)
    name: str = Field(sa_type=TEXT, unique=True)
    field_key: str = Field(sa_type=TEXT)
    label: str = Field(sa_type=TEXT)
    type: str = Field(sa_type=TEXT)
    required: bool
    placeholder: str = Field(sa_type=TEXT)
    initial_value: str = Field(sa_type=TEXT)
    order: int
    sub_text: str = Field(sa_type=TEXT)
    placeholder_expression: bool
    initial_value_expression: bool
