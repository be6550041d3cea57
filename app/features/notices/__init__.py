"""What people are told of their account: new devices, factors, tokens, links, exports (A10).

Promises the others: `service.tell` writes the notice in the transaction of the event that it is
about, so neither is there without the other. Its page and API are those of people: `users`.
"""
