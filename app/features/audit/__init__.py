"""Who did what: one row for each change, written in the transaction that makes the change.

Promises the others: `service.record` never commits and never fails a change for want of data;
if the change rolls back, so does its row. A trigger links each row to the one before it when the
transaction commits (ADR 21); `digests` keeps the last links outside the database.
"""
