"""The training room: from a recipe and a table to a model proved equal to its trainer."""
