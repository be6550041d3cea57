"""One function per thing, with plain defaults; each commits what it makes."""
