"""Models that were made elsewhere: what is taken, how a file is checked, and how it becomes a model like any other."""
