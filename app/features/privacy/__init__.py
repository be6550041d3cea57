"""What people may ask of their own data: to have it erased, with what is sealed in backups.

Promises the others: whoever keeps a new table gives it a `household_id`, and its rows go with the
household without a line here.
"""
