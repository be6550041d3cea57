"""People: register, sign in and out, sessions, tokens, passwords, preferences.

Promises the others: `current.CurrentUser` and `current.HouseholdSession` say who asks and open
the transaction that sees only that person's household; an ended session is refused within a
second, on every server, by cookie and by token alike.
"""
