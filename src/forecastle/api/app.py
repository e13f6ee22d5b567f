"""The application: rooms' routes under /api/v1, infrastructure at the root, aliases for older paths."""

from typing import Any

from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from forecastle import __version__
from forecastle.api import aliases, docs, problems
from forecastle.api.fast_door import FastDoor
from forecastle.api.middleware import RequestFrame
from forecastle.api.problems import Problem
from forecastle.api.query import refuse_unknown
from forecastle.api.repeats import refuse_repeated
from forecastle.api.routes import (
    access,
    data_options,
    datasets,
    features,
    inference,
    invocations,
    job_events,
    jobs,
    logs,
    looking,
    models,
    operations,
    predictions,
    searches,
    training,
    uploads,
)
from forecastle.bootstrap import Services

DATA = (datasets, data_options, features)
TRAINING = (training, searches, job_events, jobs, logs)
MODELS = (looking, models, uploads, predictions)
ROOMS = tuple(room.router for room in (access, *DATA, *TRAINING, *MODELS))

STRICT = [Depends(refuse_unknown), Depends(refuse_repeated)]
"""The dependencies of every route whose parameters are known."""

FORM_BYTES = 4 * 1024 * 1024
"""What an upload may have beside its file."""
DESCRIPTION = """
Bring a table, train models on it, ask them for predictions.

Sign in with `POST /api/v1/auth/login` and send the token as `Authorization: Bearer …`.
Every error is an `application/problem+json` body that names the field, the value and what was expected.
A field or a query parameter that a route does not know is an error too, and so is a key that a body gives twice.
"""

ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request cannot be served; the body says why."},
    "5XX": {"model": Problem, "description": "A part is unavailable; the body says which."},
}


def build_app() -> FastAPI:
    """The routes, their documentation and their errors; the services are put into `app.state` before it serves."""
    app = FastAPI(
        title="Forecastle",
        version=__version__,
        summary="A self-hosted prediction service that proves what it promises.",
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        responses=ERRORS,
        generate_unique_id_function=lambda route: route.name,
    )
    problems.install(app)
    for router in ROOMS:
        app.include_router(router, dependencies=STRICT)
    for standard in (inference, invocations):
        app.include_router(standard.router, dependencies=STRICT)
    app.include_router(operations.router)
    app.include_router(docs.router)
    aliases.add(app, ROOMS, dependencies=STRICT)
    return app


def application(services: Services) -> ASGIApp:
    """The application over running services, inside the frame that every request passes.

    The fast door for predictions stands between the frame and the routes.
    """
    app = build_app()
    app.state.services = services
    return RequestFrame(
        FastDoor(app, services),
        settings=services.settings.server,
        metrics=services.metrics,
        clock=services.clock,
        upload_bytes={
            "/datasets": services.settings.data.max_upload_bytes,
            "/models": services.settings.uploads.max_bytes + FORM_BYTES,
        },
    )
