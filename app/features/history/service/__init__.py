"""Use cases of the history: look at change sets, undo them, redo them."""
