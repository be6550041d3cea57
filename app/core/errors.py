"""Errors that are told to the user: a status, a code for programs, and words for people."""


class AppError(Exception):
    """Something the user can understand and act on.

    The message says what happened and what to do next; it holds no secret and no foreign text.
    """

    status = 500
    code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.field = field
        self.retry_after_seconds = retry_after_seconds


class NotFoundError(AppError):
    """There is no such thing, or it is not yours: the two look the same."""

    status, code = 404, "not_found"


class ConflictError(AppError):
    """The request contradicts what is there."""

    status, code = 409, "conflict"


class UnauthorizedError(AppError):
    """We do not know who asks."""

    status, code = 401, "unauthorized"


class ForbiddenError(AppError):
    """The user may see this, but may not do that."""

    status, code = 403, "forbidden"


class RecentSignInNeededError(ForbiddenError):
    """They may do that, once they have shown again that it is them."""

    code = "recent_sign_in_needed"


class InvalidInputError(AppError):
    """A value is well formed but breaks a rule; `field` names it."""

    status, code = 422, "invalid_input"


class TooLargeError(AppError):
    """The upload or request exceeds a limit."""

    status, code = 413, "too_large"


class RateLimitedError(AppError):
    """Too many requests of this kind; `retry_after_seconds` says when to come back."""

    status, code = 429, "rate_limited"


class NoRoomError(AppError):
    """There is no room left to keep what was sent; nothing of it was kept."""

    status, code = 507, "no_room"


class UnavailableError(AppError):
    """A part we need is down; the request may be repeated later."""

    status, code = 503, "unavailable"


def not_shared() -> ForbiddenError:
    """Return the error of what a guest asks that is not shared with them."""
    return ForbiddenError(
        "You are a guest here: you see the accounts that are shared with you, and no more.",
        code="guest",
    )
