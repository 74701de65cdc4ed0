"""kombu's way to Redis with one client a channel: it makes one for each command, at twice its cost.

The clients are alike and hold nothing; their connections come from the channel's pool either way.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):  # type: ignore[misc]
    _commands: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        # After a broken connection kombu makes another pool.
        if self._commands is None or self._commands.connection_pool is not self.pool:
            self._commands = super()._create_client()
        return self._commands


class Transport(redis.Transport):  # type: ignore[misc]
    Channel = Channel
