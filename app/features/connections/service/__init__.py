"""Use cases of connections: link, sync, hints by webhook, the schedule, and what pages show."""
