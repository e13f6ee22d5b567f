"""Models: manifest, artifact store, versions and stages, predictor.

A model is two blobs in the artifact store, its graph and its manifest, and one row that gives it a name and a version.
"""
