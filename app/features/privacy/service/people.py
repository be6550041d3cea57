"""Who belongs to a household, as its export tells it: no passwords, factors or sessions."""

from uuid import UUID

from app.core.database import system_transaction
from app.features.privacy import system


def list_people(household_id: UUID) -> list[dict[str, object]]:
    """Return the household's people with their roles, who came first before the others."""
    with system_transaction() as session:
        return [
            {
                "user_id": str(row.user_id),
                "email": row.email,
                "name": row.name,
                "role": row.role,
                "preferences": row.preferences,
                "since": row.created_at.isoformat(),
            }
            for row in system.list_people(session, household_id)
        ]
