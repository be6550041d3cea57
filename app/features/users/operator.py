"""What the operator of the server may do to people's accounts, from the command line."""

from uuid import UUID

from app.core import database, security
from app.core.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from app.features.audit import service as audit
from app.features.users import passwords, repository, second_factor, service
from app.features.users.passwords import Reset
from app.features.users.service import Profile


def create_user(email: str, password: str, name: str) -> Profile:
    """Create a person with a household of their own, also where registration is closed.

    Raises:
        InvalidInputError: The address, the name or the password will not do.
        ConflictError: The address has an account.
    """
    email = service.check_email(email)
    name = service.check_name(name or email.partition("@")[0])
    security.check_new_password(password, (email, name))
    password_hash = security.hash_password(password)
    with database.system_transaction() as session:
        profile = service.create_user(session, email=email, password_hash=password_hash, name=name)
        audit.record(session, profile.household_id, "user.created_by_operator")
    return profile


def get_person(email: str = "") -> Profile:
    """Return the person with this address; without one, the only person there is.

    Raises:
        NotFoundError: The address has no account, or there is nobody yet.
        InvalidInputError: No address was given, and there is more than one person.
    """
    with database.system_transaction() as session:
        if email:
            user = repository.find_user_by_email(session, service.email_key(email))
            users = [user] if user else []
        else:
            users = repository.list_users(session, limit=2)
        if not users:
            raise NotFoundError("There is no account with this e-mail address.")
        if len(users) > 1:
            raise InvalidInputError("There is more than one person: name one by e-mail address.")
        household_id = repository.find_first_household(session, users[0].id)
    assert household_id is not None  # nobody is without a household
    return Profile(users[0].id, users[0].email, users[0].name, household_id)


def get_editor(email: str = "") -> Profile:
    """Return a person as `get_person` does, if they may change the household they joined first.

    Raises:
        NotFoundError: As `get_person`.
        InvalidInputError: As `get_person`.
        ForbiddenError: They may only look at it.
    """
    person = get_person(email)
    with database.system_transaction() as session:
        role = repository.get_role(session, person.household_id, person.user_id)
    if role in ("viewer", "guest"):
        raise ForbiddenError("This person may look at the household, but not change it.")
    return person


def make_reset_link(email: str) -> str:
    """Return a link by which a person who forgot their password sets one, once.

    Raises:
        NotFoundError: The address has no account.
    """
    with database.system_transaction() as session:
        user = repository.find_user_by_email(session, service.email_key(email))
        if user is None:
            raise NotFoundError("There is no account with this e-mail address.")
        return passwords.make_reset_link(session, user.id)


def set_password(email: str, password: str) -> Reset:
    """Give a person who forgot theirs a new password; end all their sessions and API tokens.

    Raises:
        NotFoundError: The address has no account.
        InvalidInputError: The password will not do.
    """
    with database.system_transaction() as session:
        user = repository.find_user_by_email(session, service.email_key(email))
    if user is None:
        raise NotFoundError("There is no account with this e-mail address.")
    security.check_new_password(password, (user.email, user.name))
    password_hash = security.hash_password(password)
    with database.system_transaction() as session:
        action = "user.password_set_by_operator"
        return passwords.set_anew(session, user.id, password_hash, action)


def set_operator(email: str, *, is_operator: bool) -> None:
    """Let a person see how the server is, or no longer.

    Raises:
        NotFoundError: The address has no account.
    """
    with database.system_transaction() as session:
        user = repository.find_user_by_email(session, service.email_key(email))
        if user is None:
            raise NotFoundError("There is no account with this e-mail address.")
        repository.update_user(session, user.id, {"is_operator": is_operator})
        household_id = repository.find_first_household(session, user.id)
        assert household_id is not None  # nobody is without a household
        action = "user.operator_granted" if is_operator else "user.operator_revoked"
        audit.record(session, household_id, action, object_id=user.id)


def is_operator(user_id: UUID) -> bool:
    """Tell whether a person may see how the server is."""
    with database.system_transaction() as session:
        user = repository.find_user(session, user_id)
        return user is not None and user.is_operator


def turn_second_factor_off(email: str) -> None:
    """Let the password suffice for a person who lost phone and recovery codes.

    Raises:
        NotFoundError: The address has no account.
        ConflictError: The second factor is not on.
    """
    with database.system_transaction() as session:
        user = repository.find_user_by_email(session, service.email_key(email))
        if user is None:
            raise NotFoundError("There is no account with this e-mail address.")
        if not repository.delete_factor(session, user.id):
            raise ConflictError("Two-step sign-in is not on for this account.")
        second_factor.record(session, user.id, "user.second_factor_turned_off_by_operator")
