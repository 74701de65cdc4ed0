"""Whether both servers can be used now."""

from __future__ import annotations

from plumbline.broker import check_takes
from plumbline_client.errors import BrokerUnavailable, StorageError
from plumbline_client.services import Services
from storage.database import open_engine, translate_errors


def unusable_server(services: Services) -> str | None:
    """Return the sentence about a server that cannot be used at the moment, if there is one."""
    try:
        check_takes(services.broker_url)
        with open_engine(services.database_url) as engine, translate_errors(engine):
            engine.connect().close()
    except (BrokerUnavailable, StorageError) as error:
        return str(error)
    return None
