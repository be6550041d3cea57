"""The household's data key: what opens and seals its secrets and its journal."""
