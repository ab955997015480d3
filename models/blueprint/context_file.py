"""The file with values of the context, which override those of blueprints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.blueprint.format.files import check_file
from models.blueprint.format.parser import ParseErrors, parse_mapping
from models.errors import BlueprintError


def read_context(path: Path) -> Mapping[str, Any]:
    """Return the mapping in a YAML file; raises BlueprintError with the place of each error."""
    file = check_file(path)
    if file.error:
        raise BlueprintError([file.error])
    try:
        with file.open() as stream:
            return parse_mapping(stream, file.label)
    except OSError as error:
        raise BlueprintError([f"{path}: {error.strerror}"]) from None
    except ParseErrors as errors:
        raise BlueprintError(errors.messages) from None
