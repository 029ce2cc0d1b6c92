"""Lets the processes of a Cinder share an SQLite file, once it is imported.

oslo.db begins each transaction without a lock. One that reads and then writes fails at once with "database is locked", however
long SQLite may wait, if another process has written in between: what it has read is no longer so. With the lock for
writing taken at the beginning, the other is waited for.
"""

import sqlalchemy


@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "begin")
def begin_to_write(connection):
    # oslo.db's own listener comes behind, and does nothing in a transaction.
    if "in_transaction" not in connection.info:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.info["in_transaction"] = True
