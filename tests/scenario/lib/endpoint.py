"""Where clients connect, and the host keys that they shall see there."""
from typing import NamedTuple


class Endpoint(NamedTuple):
    host: str
    port: int
    host_keys: list
