"""Postgres, everywhere: an embedded server or yours, one engine, one migration history."""

from kit.embedded import embedded_url
from kit.postgres.engine import Db, open_db
from kit.postgres.listen import GONE, listen_forever
from kit.postgres.migrate import migrate

__all__ = ["GONE", "Db", "embedded_url", "listen_forever", "migrate", "open_db"]
