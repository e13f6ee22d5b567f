"""The interactive documentation page, served from files of an installed package: it needs no other network."""

from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, RedirectResponse, Response

router = APIRouter(include_in_schema=False)

ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
BLANK_ICON = "data:,"


@router.get("/")
async def front() -> RedirectResponse:
    """Whoever opens the address in a browser finds the documentation."""
    return RedirectResponse("/docs")


@router.get("/docs")
async def docs_page(request: Request) -> HTMLResponse:
    """The page on which every route can be tried."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{request.app.title} · API",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url=BLANK_ICON,
    )


for asset, media_type in ASSETS.items():

    def serve(asset: str = asset, media_type: str = media_type) -> Response:
        """One file of the page."""
        content = files("fastapi_swagger").joinpath("resources", asset).read_bytes()
        return Response(content, media_type=media_type, headers={"Cache-Control": "max-age=86400"})

    router.add_api_route(f"/docs/{asset}", serve)
