"""Pages with a form: shown again with what was wrong, beside the field that is to blame."""

from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.core.errors import AppError
from app.ui.templating import render


def form_page(
    request: Request, page: str, view: object, error: AppError | None, *, section: str = ""
) -> HTMLResponse:
    """Render a page with a form, under the status of what was wrong with it."""
    return render(
        request,
        page=page,
        status=error.status if error else 200,
        headers=_retry_after(error),
        view=view,
        section=section,
    )


def errors_by_field(error: AppError | None) -> dict[str, str]:
    """Return the message beside the field that is to blame, or beside the form."""
    return {error.field or "form": error.message} if error else {}


def _retry_after(error: AppError | None) -> dict[str, str]:
    if error is None or error.retry_after_seconds is None:
        return {}
    return {"Retry-After": str(error.retry_after_seconds)}
