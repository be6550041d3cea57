"""/docs and /redoc: the API's reference, from files of our own under a strict policy."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from app.core import web
from app.features.operations import reference
from app.ui.templating import render

router = APIRouter(include_in_schema=False)

# Swagger UI sets style attributes; scripts stay our own files.
_POLICY = web.CONTENT_SECURITY_POLICY.replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)


@router.get("/docs")
def show_docs(request: Request) -> HTMLResponse:
    """Show the API's reference with forms to try it."""
    return render(
        request, page="operations/docs.html", headers={"Content-Security-Policy": _POLICY}
    )


@router.get("/redoc")
def show_reference(request: Request) -> HTMLResponse:
    """Show the API's reference for reading: our own page, without any script."""
    description = request.app.openapi()
    return render(
        request,
        page="operations/redoc.html",
        title=description["info"]["title"],
        version=description["info"]["version"],
        description=description["info"].get("description", ""),
        groups=reference.read_groups(description),
    )
