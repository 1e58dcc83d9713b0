"""DuckDB, as every part of the program opens it."""

import duckdb


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory that prints nothing: by itself DuckDB draws a bar of slow queries on standard output."""
    found = duckdb.connect()
    found.execute("SET enable_progress_bar = false")
    return found
