"""Tells open pages what changed while they are open; holds no data, only hints to look again."""
