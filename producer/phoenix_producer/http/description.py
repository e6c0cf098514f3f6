"""The OpenAPI description, as clients are generated from it: `python -m phoenix_producer.http > docs/openapi.json`."""

# No postponed annotations here: FastAPI reads them.
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from phoenix_producer.http.guard import Asking
from phoenix_producer.http.problems import MEDIA_TYPE, Problem

PATH = "/v1/openapi.json"
_REF = "#/components/schemas/"
_PROBLEM = {
    "description": "A problem (RFC 9457)",
    "headers": {
        "Location": {"description": "Where the request that failed can be read.", "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds until it can be asked again.", "schema": {"type": "integer"}},
        "Age": {"description": "As of an answer that has not failed.", "schema": {"type": "integer"}},
    },
    "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_REF}{Problem.__name__}"}}},
}
description = APIRouter()
_OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")


@description.get(PATH, operation_id="description", response_model=dict[str, Any])
async def show_description(request: Request, _token: Asking) -> JSONResponse:
    """Describe what can be asked, as OpenAPI."""
    return JSONResponse(request.app.openapi())


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description: whatever is refused is a problem document, and the framework's own words are left out."""
    told = get_openapi(
        title="phoenix-lxc",
        version=version("phoenix-lxc"),
        description="Ensure Proxmox LXC containers from native templates.",
        routes=app.routes,
        servers=[{"url": app.root_path}] if app.root_path else None,
    )
    schemas = told["components"]["schemas"]
    schemas[Problem.__name__] = Problem.model_json_schema(ref_template=f"{_REF}{{model}}")
    for name in _OF_THE_FRAMEWORK:
        schemas.pop(name, None)
    for operations in told["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _PROBLEM
    return told
