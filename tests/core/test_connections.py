"""What each connection to the database holds for as long as it is open."""

from app.core import database


def test_a_connection_holds_little_of_the_temporary_tables_it_has_filled() -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TEMPORARY TABLE filled ON COMMIT DROP AS"
            " SELECT repeat('x', 1000) FROM generate_series(1, 10000)"
        )
        held = connection.exec_driver_sql(
            "SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'LocalBufferContext'"
        ).scalar_one()
        connection.rollback()

    assert held <= 1_100_000  # of 10,000,000
