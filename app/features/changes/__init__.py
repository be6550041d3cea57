"""Change sets: changes that belong together, so that each can be explained and undone.

A trigger writes the fields that change into `field_changes`, under the change set that the
transaction has opened; without one, the database refuses to change a transaction.
"""
