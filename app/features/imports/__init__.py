"""Bank files: kept in the journal, looked at, booked like a sync, and undone.

Promises the others that a file that is brought twice adds nothing the second time, and that
what could not be read stays with the file and is shown.
"""
