"""Finance without I/O: money, records, matching. Imports the standard library alone."""
