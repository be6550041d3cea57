"""Households: who belongs to one, with which role; invitations; which one a session works in.

Promises the others: a household always has an owner, nobody is ever without a household, and an
invitation lets one person in, once. Each change is in the audit trail of the household.
"""
