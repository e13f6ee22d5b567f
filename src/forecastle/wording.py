"""The words in which a wrong field is told, the same wherever it was found, and in whatever library."""

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from forecastle.errors import clip

UNKNOWN_FIELD = "extra_forbidden"
MISSING = "missing"

EXPECTED = {
    MISSING: "a value",
    "string_type": "text",
    "string_unicode": "text without lone surrogates",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "at least {min_length} character{s}",
    "string_too_long": "at most {max_length} character{s}",
    "too_short": "at least {min_length} {entries}",
    "too_long": "at most {max_length} {entries}",
    "value_error": "{error}",
}


def expectation(problem: Mapping[str, Any], words: Mapping[str, str] = EXPECTED) -> str:
    """What would have done, for one of the entries of a `ValidationError`.

    Args:
        problem: the entry, with `type`, `msg` and `ctx`.
        words: by type of problem, with the names of `ctx` in braces.
    """
    facts = dict(problem.get("ctx", {}))
    alone = 1 in {facts.get("min_length"), facts.get("max_length")}
    facts |= {"s": "" if alone else "s", "entries": "entry" if alone else "entries"}
    words_of_it: str = words.get(problem["type"], problem["msg"])
    return words_of_it.format_map(facts)


def is_of_another_type(problem: Mapping[str, Any]) -> bool:
    """Whether the value is not even of the right type, nor a text that spells one, so that no more can be said."""
    return str(problem["type"]).endswith(("_type", "_parsing"))


def spelled(value: object) -> str:
    """`value` as JSON spells it, short enough for a message."""
    try:
        return clip(json.dumps(value, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):
        return clip(type(value).__name__)


def suggest(word: str, options: Iterable[str]) -> str:
    """` (did you mean …?)` for the option nearest to a misspelt word, else nothing."""
    by_fold = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(word.casefold(), by_fold, n=1)
    return f" (did you mean {by_fold[near[0]]}?)" if near else ""
