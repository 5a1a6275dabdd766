"""Config errors in words: which file, which key, what was found, what was expected."""

import difflib
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MAX_PROBLEMS = 20
"""Problems that are described; the others are counted."""
MAX_LINE = 1000
"""Characters of a description."""


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
    problems = error.errors()
    for problem in problems[:MAX_PROBLEMS]:
        key = _key_of(problem, values, schema)
        text = _describe(problem, key, valid_keys)
        lines.setdefault(key, f"{_origin_of(key, origins)}: {_shortened(text)}")
    if len(problems) > MAX_PROBLEMS:
        rest = len(problems) - MAX_PROBLEMS
        lines["..."] = f"{_origin_of('', origins)}: and {rest} more problems"
    return "\n".join(lines.values())


def _shortened(text: str) -> str:
    """Return a text in one line of readable length, whatever keys and values it quotes."""
    line = " ".join(text.split())
    return (
        line if len(line) <= MAX_LINE else f"{line[: MAX_LINE // 2]} ... {line[-MAX_LINE // 2 :]}"
    )


def leaf_keys(schema: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Return every dotted key below a schema with its type annotation."""
    keys: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        sections = sections_of(field.annotation)
        for section in sections:
            keys.update(leaf_keys(section, prefix=f"{prefix}{name}."))
        if not sections:
            keys[f"{prefix}{name}"] = field.annotation
    return keys


def sections_of(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - any type
    """Return the section class that a key is annotated with, or the alternatives of a union."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return sections_of(inner[0])
    if get_origin(annotation) in (Union, UnionType):
        return [section for alternative in inner for section in sections_of(alternative)]
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return [annotation] if is_section else []


def _key_of(problem: ErrorDetails, values: dict[str, Any], schema: type[BaseModel]) -> str:
    """Return the dotted key.

    List positions, and which one of several alternatives a section was taken for, are left out:
    they are not keys of the schema.
    """
    names: list[str] = []
    section: Any = values
    schemas = [schema]
    for part in problem["loc"]:
        if not isinstance(section, dict):
            break
        if len(schemas) > 1:
            schemas = [s for s in schemas if part in get_args(s.model_fields["name"].annotation)]
            continue
        names.append(str(part))
        section = section.get(part)
        field = schemas[0].model_fields.get(str(part)) if schemas else None
        schemas = sections_of(field.annotation) if field else []
    if problem["type"] == "union_tag_invalid":
        names.append("name")
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
    if problem["type"] == "union_tag_invalid":
        names = str(problem["ctx"]["expected_tags"]).replace(", ", " or ")
        return f"{key}: found {found.get('name')!r}, expected {names}"
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
        "string_type": "text; put what looks like a number or a date into quotes",
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
