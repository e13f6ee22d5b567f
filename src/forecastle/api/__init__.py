"""The HTTP interface: FastAPI application, problem responses and one file of routes per capability."""
