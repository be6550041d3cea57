"""Use cases of households: members and their roles, invitations, switching."""
