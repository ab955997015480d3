"""The HTTP protocol of the server: uvicorn's, with limits on bytes, time and connections."""

from gql.protocol.protocol import ConnectionLimits, HttpProtocol
from gql.protocol.refusals import Refusals

__all__ = ["ConnectionLimits", "HttpProtocol", "Refusals"]
