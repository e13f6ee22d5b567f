"""What searches and trials can be, as data."""

from typing import Literal, get_args

Method = Literal["grid", "random", "bayes", "evolve"]
METHODS: tuple[Method, ...] = get_args(Method)

SearchStatus = Literal["running", "completed", "failed", "cancelled"]
SEARCH_STATUSES: tuple[SearchStatus, ...] = get_args(SearchStatus)

TrialState = Literal["running", "completed", "duplicate", "stopped", "failed", "cancelled"]
"""`duplicate`: known before, so nothing was fitted for it. `stopped`: early, as it was hopeless."""
TRIAL_STATES: tuple[TrialState, ...] = get_args(TrialState)
