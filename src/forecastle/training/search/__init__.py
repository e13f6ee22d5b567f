"""Searches: many recipes of one cohort, chosen by a grid, at random, by what earlier trials showed, or by evolution.

The state of a search lives in its rows. Whoever runs jobs advances it (`steer`), in a transaction that locks its row.
"""
