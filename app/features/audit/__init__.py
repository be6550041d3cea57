"""Who did what: one row for each change, written in the transaction that makes the change.

Promises the others: `service.record` never commits and never fails a change for want of data;
if the change rolls back, so does its row.
"""
