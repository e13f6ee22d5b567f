"""Routes, one file per capability, each with a `router`."""

PREFIX = "/api/v1"
