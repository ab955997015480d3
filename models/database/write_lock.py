"""The lock that writers wait for: how long they wait, and their messages."""

from models.errors import DatabaseError

WRITE_TIMEOUT_SECONDS = 120
# A writer that waits longer says so.
ANNOUNCEMENT_SECONDS = 1
WAITING_MESSAGE = "waiting for another process that writes to the database"


def build_timeout_error(seconds: float) -> DatabaseError:
    """Return the error of a writer that has waited too long."""
    return DatabaseError(
        f"another process has written to the database for {seconds} seconds:"
        " try again when it has finished"
    )
