"""Config errors in words: which file, which key, what was found, what was expected."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from dcpose.config.section import Choice

MAX_PROBLEMS = 20
"""Problems that are described; the others are counted."""
MAX_LINE = 1000
"""Characters of a description."""


class ConfigError(ValueError):
    """A config file or override that cannot be used; the text holds one line per problem."""


def describe_problems(
    problems: Sequence[ErrorDetails],
    values: dict[str, Any],
    origins: dict[str, str],
    valid_keys: Sequence[str],
) -> str:
    """Turn what a validation found into one line per problem.

    Args:
        problems: what pydantic found, `loc` counted from the root of the config.
        values: the merged values that were checked.
        origins: for each dotted key, the file or command line that set it.
        valid_keys: dotted keys that this config may have.
    """
    lines: dict[str, str] = {}
    for problem in problems[:MAX_PROBLEMS]:
        key = _key_of(problem, values)
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


def leaf_keys(
    schema: type[BaseModel], prefix: str = "", chosen: Mapping[str, type[BaseModel]] | None = None
) -> dict[str, Any]:
    """Return every dotted key below a schema with its type annotation.

    Args:
        schema: a section.
        prefix: of its keys.
        chosen: by dotted key, which member of a family (`Choice`) a section is; None takes the
            keys of all members.
    """
    keys: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        key = f"{prefix}{name}"
        sections = sections_of(field.annotation)
        if chosen is not None and key in chosen:
            sections = [chosen[key]]
        for section in sections:
            keys.update(leaf_keys(section, f"{key}.", chosen))
        if not sections:
            keys[key] = field.annotation
    return keys


def sections_of(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 - any type
    """Return the section class that a key is annotated with, or the members of a family."""
    if not isinstance(annotation, type) or not issubclass(annotation, BaseModel):
        return []
    members = list(annotation.members().values()) if issubclass(annotation, Choice) else []
    return [*members] or [annotation]


def _key_of(problem: ErrorDetails, values: dict[str, Any]) -> str:
    """Return the dotted key, without positions in lists, which are not keys of the schema."""
    names: list[str] = []
    section: Any = values
    for part in problem["loc"]:
        if not isinstance(section, dict):
            break
        names.append(str(part))
        section = section.get(part)
    return ".".join(names)


def _origin_of(key: str, origins: dict[str, str]) -> str:
    while key and key not in origins:
        key = key.rpartition(".")[0]
    return origins[key]


def _describe(problem: ErrorDetails, key: str, valid_keys: Sequence[str]) -> str:
    found = problem["input"]
    position = "".join(f"[{part}]" for part in problem["loc"] if isinstance(part, int))
    inside = _keys_of_element(problem)
    if inside and problem["type"] in ("extra_forbidden", "missing"):
        what = "missing" if problem["type"] == "missing" else "unknown key; correct or remove it"
        return f"{key}{position}.{inside}: {what}"
    if inside:
        position = f"{position}.{inside}"
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


def _keys_of_element(problem: ErrorDetails) -> str:
    """Return the dotted key below an element of a list; nothing where the element is meant."""
    loc = problem["loc"]
    places = [place for place, part in enumerate(loc) if isinstance(part, int)]
    return ".".join(map(str, loc[places[-1] + 1 :])) if places else ""


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


def _nearest(key: str, valid_keys: Sequence[str]) -> str:
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
