"""Datasets: reading and validating tables, the catalogue, storage."""
