"""Config errors in words: which file, which key, what was found, what was expected."""

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


class ConfigError(ValueError):
    """A config file or override that cannot be used; the text holds one line per problem."""


def describe_problems(
    error: ValidationError, values: dict[str, Any], origins: dict[str, str], schema: type[BaseModel]
) -> str:
    """Turn a validation error into one line per problem.

    Args:
        error: what pydantic found.
        values: the merged values that were checked.
        origins: for each dotted key, the file or command line that set it.
        schema: root of the schema, for the names of valid keys.
    """
    valid_keys = list(leaf_keys(schema))
    lines: dict[str, str] = {}
    for problem in error.errors():
        key = _key_of(problem, values)
        lines.setdefault(key, f"{_origin_of(key, origins)}: {_describe(problem, key, valid_keys)}")
    return "\n".join(lines.values())


def leaf_keys(schema: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Return every dotted key below a schema with its type annotation."""
    keys: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            keys.update(leaf_keys(annotation, prefix=f"{prefix}{name}."))
        else:
            keys[f"{prefix}{name}"] = annotation
    return keys


def _key_of(problem: ErrorDetails, values: dict[str, Any]) -> str:
    """Return the dotted key; list positions are left out, they are not keys of the schema."""
    names: list[str] = []
    section: Any = values
    for part in problem["loc"]:
        if not isinstance(section, dict):
            break
        names.append(str(part))
        section = section.get(part) if isinstance(section, dict) else None
    return ".".join(names)


def _origin_of(key: str, origins: dict[str, str]) -> str:
    while key and key not in origins:
        key = key.rpartition(".")[0]
    return origins[key]


def _describe(problem: ErrorDetails, key: str, valid_keys: list[str]) -> str:
    found = problem["input"]
    position = "".join(f"[{part}]" for part in problem["loc"] if isinstance(part, int))
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; {_nearest(key, valid_keys)}"
    if problem["type"] == "missing" and position:
        return f"{key}: found {list(found)!r}, expected a list with an element {position}"
    if problem["type"] == "missing":
        return f"{key}: missing; set it in the config file or with {key}=VALUE"
    if problem["type"] == "value_error":
        text = problem["msg"].removeprefix("Value error, ")
        return text if isinstance(found, dict) else f"{key}: found {_yaml(found)}: {text}"
    return f"{key}{position}: found {_yaml(found)}, expected {_expectation(problem)}"


def _yaml(value: object) -> str:
    return repr(list(value) if isinstance(value, tuple) else value)


def _expectation(problem: ErrorDetails) -> str:
    """Say what pydantic expected in the words of YAML."""
    in_words = {
        "tuple_type": "a list",
        "model_type": "a section of keys",
        "dict_type": "a section of keys",
        "bool_type": "true or false",
        "int_type": "an integer",
        "float_type": "a number",
        "string_type": "text",
    }
    kind = problem["type"]
    message = problem["msg"].removeprefix("Input should be ")
    numeric = kind.startswith(("greater_than", "less_than"))
    return in_words.get(kind, f"a number {message}" if numeric else message)


def _nearest(key: str, valid_keys: list[str]) -> str:
    section, _, leaf = key.rpartition(".")
    same_leaf = [valid for valid in valid_keys if valid.rpartition(".")[2] == leaf]
    in_section = [valid for valid in valid_keys if valid.startswith(f"{section}.")]
    close_leaf = [
        valid
        for valid in in_section
        if difflib.get_close_matches(leaf, [valid.rpartition(".")[2]], n=1, cutoff=0.6)
    ]
    close = difflib.get_close_matches(key, valid_keys, n=3, cutoff=0.6)
    nearest = list(dict.fromkeys([*same_leaf, *close_leaf])) or close
    if nearest:
        return f"the nearest valid keys are {', '.join(nearest[:3])}"
    sections = sorted({valid.partition(".")[0] for valid in valid_keys})
    return f"valid keys here are {', '.join(in_section or sections)}"
