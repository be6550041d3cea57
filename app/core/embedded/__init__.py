"""PostgreSQL and Valkey from PyPI wheels, for `make run`, the tests and the benchmarks.

The wheels carry only the programs; this package initialises, starts and stops them. Servers
listen on the loopback interface, ask for a password kept in the home, and do not outlive the
process that started them.
"""

from app.core.embedded.home import EmbeddedError, default_home
from app.core.embedded.postgresql import PostgreSQLServer, postgres
from app.core.embedded.template import template, temporary_home
from app.core.embedded.valkey import ValkeyServer, valkey

__all__ = [
    "EmbeddedError",
    "PostgreSQLServer",
    "ValkeyServer",
    "default_home",
    "postgres",
    "template",
    "temporary_home",
    "valkey",
]
