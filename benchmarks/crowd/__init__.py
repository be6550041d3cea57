"""Many people at once, over HTTP, on one whole installation: what it carries, and for how long."""
