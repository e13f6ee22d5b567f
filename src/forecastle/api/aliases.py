"""Older paths and where they live now: each alias answers exactly as its canonical route does."""

from collections.abc import Iterable, Sequence

from fastapi import APIRouter, FastAPI
from fastapi.params import Depends
from fastapi.routing import APIRoute

#: (method, alias, canonical)
ALIASES = (
    ("POST", "/auth/register", "/api/v1/auth/register"),
    ("POST", "/auth/login", "/api/v1/auth/login"),
    ("GET", "/users/me", "/api/v1/users/me"),
    ("POST", "/predict", "/api/v1/predict"),
    ("POST", "/batch-predict", "/api/v1/batch-predict"),
    ("POST", "/predict/batch", "/api/v1/batch-predict"),
    ("GET", "/predictions/history", "/api/v1/predictions/history"),
    ("GET", "/predictions/{prediction_id}", "/api/v1/predictions/{prediction_id}"),
    ("POST", "/feedback", "/api/v1/feedback"),
    ("GET", "/data/options", "/api/v1/data/options"),
    ("GET", "/data/options/{symbol}", "/api/v1/data/options/{symbol}"),
    ("GET", "/data/map", "/api/v1/data/map"),
    ("GET", "/logs", "/api/v1/logs"),
    ("GET", "/algorithms", "/api/v1/algorithms"),
    ("POST", "/train", "/api/v1/train"),
    ("POST", "/train/batch", "/api/v1/train/batch"),
    ("POST", "/api/train_with_parent", "/api/v1/train/child"),
    ("POST", "/retrain/{model_id}", "/api/v1/retrain/{model_id}"),
    ("GET", "/jobs", "/api/v1/jobs"),
    ("GET", "/jobs/events", "/api/v1/jobs/events"),
    ("GET", "/jobs/{job_id}", "/api/v1/jobs/{job_id}"),
    ("GET", "/jobs/{job_id}/events", "/api/v1/jobs/{job_id}/events"),
    ("GET", "/jobs/{job_id}/logs", "/api/v1/jobs/{job_id}/logs"),
    ("POST", "/jobs/{job_id}/cancel", "/api/v1/jobs/{job_id}/cancel"),
    ("POST", "/jobs/{job_id}/retry", "/api/v1/jobs/{job_id}/retry"),
    ("GET", "/models", "/api/v1/models"),
    ("POST", "/models", "/api/v1/models"),
    ("GET", "/models/compare", "/api/v1/models/compare"),
    ("GET", "/models/{model_id}", "/api/v1/models/{model_id}"),
    ("GET", "/models/{model_id}/lineage", "/api/v1/models/{model_id}/lineage"),
    ("GET", "/models/{model_id}/report", "/api/v1/models/{model_id}/report"),
    ("GET", "/api/model/{model_id}/config", "/api/v1/models/{model_id}/config"),
    ("GET", "/api/model/{model_id}/importance", "/api/v1/models/{model_id}/importance"),
    ("POST", "/models/{model_id}/promote", "/api/v1/models/{model_id}/promote"),
    ("DELETE", "/models/all", "/api/v1/models/all"),
    ("DELETE", "/models/{model_id}", "/api/v1/models/{model_id}"),
)


def add(app: FastAPI, routers: Iterable[APIRouter], *, dependencies: Sequence[Depends]) -> None:
    """Add every alias to `app`; `routers` hold the canonical routes, `dependencies` are what all of them have."""
    routes = {
        (method, route.path): route
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    for method, alias, canonical in ALIASES:
        route = routes[method, canonical]
        app.add_api_route(
            alias,
            route.endpoint,
            methods=[method],
            response_model=route.response_model,
            response_class=route.response_class,
            status_code=route.status_code,
            responses=route.responses,
            dependencies=dependencies,
            tags=["aliases"],
            summary=f"{route.summary or route.name} (alias of {canonical})",
            deprecated=True,
            operation_id=f"alias_{method.lower()}_{alias.strip('/').translate(_WORD)}",
            name=route.name,
        )


_WORD = str.maketrans({"/": "_", "-": "_", "{": "", "}": ""})
