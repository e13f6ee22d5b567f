"""Predictions: asked for, answered, stored before they are acknowledged; and what really happened."""
