"""The least that uvicorn can answer: what a request costs before anybody looks at it."""

import sys

import uvicorn

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"hello"})


uvicorn.run(
    app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="error", lifespan="off"
)
