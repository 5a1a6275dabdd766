"""Reading YAML files that nobody vouches for: plain values, bounded, every key once."""

import re
from pathlib import Path
from typing import Any

import yaml

from dcpose.files.reading import read_bounded

MAX_BYTES = 2**18
"""Size of a YAML file that is read at all."""
MAX_VALUES = 100_000
"""Values in a file, aliases counted as often as they are used."""
MAX_DEPTH = 50
"""Values inside values."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-4 as a number and refuses keys that stand twice, and bombs.

    An alias stands for what its anchor holds. Nine levels of nine aliases stand for a billion
    values, and an alias inside its own anchor for values without end, so what is meant is counted
    before it is made.
    """

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _count(node, {}, ())
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # keys beside `<<` take the place of those that it brings
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands twice", key_node.start_mark
                )
            if isinstance(key, str | int):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


# YAML 1.1, which PyYAML implements, takes 1e-4 for a string, although everybody writes rates that
# way, and 10:20:30 for the number 37230, although folders have such names.
_NUMBERS = {
    "int": r"^[-+]?(0b[01_]+|0x[\da-fA-F_]+|0[0-7_]*|[1-9][\d_]*)$",
    "float": r"^[-+]?((\d[\d_]*\.[\d_]*|\.\d[\d_]*|\d+(?=[eE]))([eE][-+]?\d+)?|\.(inf|Inf|INF))$"
    r"|^\.(nan|NaN|NAN)$",
}
_REPLACED = [f"tag:yaml.org,2002:{name}" for name in _NUMBERS]
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern in _NUMBERS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(_pattern), list("-+.0123456789")
    )


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - YAML holds anything
    """Read a YAML file in UTF-8, with or without a byte order mark.

    Raises:
        OSError: if it cannot be read, is no file or too large; `strerror` says why.
        ValueError: if it is no YAML of plain values; without the path.
    """
    data = read_bounded(path, MAX_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"cannot be read as UTF-8 text ({error.reason} at byte {error.start})"
        ) from None
    return parse_yaml(text)


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - YAML holds anything
    """Return the plain values of a YAML text: mappings, lists, texts, numbers.

    Raises:
        ValueError: in one line: with the line in the text, where that is known.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueError(f"{where}{problem}") from None
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} values") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        # of dates, numbers and tags that are none
        raise ValueError(f"a value cannot be read: {' '.join(str(error).split())}") from None


def _count(node: yaml.Node, counted: dict[yaml.Node, int], inside: tuple[yaml.Node, ...]) -> int:
    """Return how many values a node stands for; `inside` are the nodes that it is part of."""
    if node in inside:
        raise _bomb(node, "an alias stands inside its own anchor")
    if len(inside) > MAX_DEPTH:
        raise _bomb(node, f"nested deeper than {MAX_DEPTH} values")
    if node not in counted:
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        total = 1 + sum(_count(part, counted, (*inside, node)) for part in parts)
        if total > MAX_VALUES:
            raise _bomb(node, f"aliases stand for more than {MAX_VALUES} values")
        counted[node] = total
    return counted[node]


def _bomb(node: yaml.Node, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
