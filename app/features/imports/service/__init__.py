"""The use cases of imports: bring a file, look at it, say how it is read, book it, undo it."""
