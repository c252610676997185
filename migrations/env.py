"""Run migrations on the connection that the caller hands over, one migrator at a time.

The caller (`leadhub migrate`, the tests) puts an open connection into `config.attributes["connection"]`; Alembic's
own command line is used only to write a new revision.
"""

from alembic import context
from sqlalchemy import Connection, create_engine, text

from leadhub.store import tables

_ONE_MIGRATOR = 0x1EAD_4B
"""Advisory lock: two processes that start at once migrate one after the other."""


def _is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:  # noqa: FBT001 - Alembic's signature
    """Leave partitions out of comparisons: they are made by time, not by revision."""
    return not (kind == "table" and name is not None and "_p2" in name)


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=tables.Base.metadata,
        include_object=_is_ours,
        compare_server_default=True,
    )
    with context.begin_transaction():
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        connection.execute(text("SET LOCAL statement_timeout = '10min'"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ONE_MIGRATOR})"))
        context.run_migrations()


_connection = context.config.attributes.get("connection")
if _connection is not None:
    _run(_connection)
else:
    with create_engine(context.config.get_main_option("sqlalchemy.url") or "").connect() as _own:
        _run(_own)
