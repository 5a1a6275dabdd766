"""Configs and skeletons that lie: bombs, tags, circles, encodings, numbers that are none."""

import os

import pytest

from dcpose.config.loading import load_config
from dcpose.formats.skeleton_yaml import read_skeleton

MINIMAL = "experiment: tiny\ndata: {root: data}\n"
SKELETON = """
name: stick
joints: [top, left, right]
flip_pairs: [[left, right]]
limbs: [[top, left]]
upper_body: [top]
evaluation: {joints: [top, left, right], groups: {All: [top, left, right]}}
"""
LAUGHS = "a0: &a0 ha\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
NESTED_KEYS = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{{', '.join(f'k{k}: *a{i - 1}' for k in range(9))}}}\n" for i in range(1, 10)
)

NO_YAML = {
    "a billion laughs": (LAUGHS, "aliases stand for more than 100000 values"),
    "a billion keys": (NESTED_KEYS, "aliases stand for more than 100000 values"),
    "a billion merges": (
        "a0: &a0 {x: 1}\n"
        + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 10)),
        "aliases stand for more than 100000 values",
    ),
    "an alias of itself": ("seed: &a [*a]", "line 1: an alias stands inside its own anchor"),
    "an alias of its section": ("data: &a {root: *a}", "inside its own anchor"),
    "nested 100,000 deep": ("[" * 100_000, "nested deeper than 50 values"),
    "nested 100,000 deep in keys": ("{a: " * 50_000, "nested deeper than 50 values"),
    "nested 60 deep": ("seed: " + "[" * 60 + "]" * 60, "nested deeper than 50 values"),
    "a Python object": ("seed: !!python/object/apply:os.system [touch ran]", "python/object"),
    "a Python name": ("seed: !!python/name:os.system ''", "could not determine a constructor"),
    "a Python module": ("seed: !!python/module:os ''", "could not determine a constructor"),
    "a Python tuple": ("seed: !!python/tuple [1, 2]", "could not determine a constructor"),
    "a tag of one's own": ("seed: !include /etc/passwd", "could not determine a constructor"),
    "a key twice": ("seed: 1\nseed: 2", "line 2: key 'seed' stands twice"),
    "a key twice below": ("data: {root: a, root: b}", "key 'root' stands twice"),
    "a list as key": ("? [a, b]\n: 1", "found unhashable key"),
    "two documents": ("seed: 1\n---\nseed: 2", "another document"),
    "a tab as indent": ("data:\n\troot: x", "found character"),
    "an undefined alias": ("seed: *nowhere", "found undefined alias 'nowhere'"),
    "an open quote": ('seed: "1', "while scanning|unexpected end"),
    "a zero byte": ("seed: \0", "special characters are not allowed"),
    "a bell": ("seed: \a", "special characters are not allowed"),
    "a day that is none": ("seed: 2001-99-99", "month must be in 1..12"),
    "a tagged number that is none": ("seed: !!int twelve", "invalid literal"),
    "an empty tagged number": ("seed: !!float ''", "a value cannot be read"),
    "a number of 5,000 digits": ("seed: 1" + "0" * 5000, "4300 digits"),
    "bad binary": ("seed: !!binary ö", "a value cannot be read|failed to convert"),
    "UTF-16": (MINIMAL.encode("utf-16"), "cannot be read as UTF-8 text"),
    "UTF-16 without a mark": (MINIMAL.encode("utf-16-le"), "special characters are not allowed"),
    "Latin-1": ("experiment: Köln".encode("latin-1"), "cannot be read as UTF-8 text"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(50), "cannot be read as UTF-8 text"),
    "a zip": (b"PK\x03\x04\x14\0" + bytes(50), "special characters are not allowed"),
    "300 KB": ("# " + "x" * 300_000, "300002 bytes, at most 262144 are read"),
}


ALSO_FOR_SKELETONS = ("a billion laughs", "a Python object", "a day that is none", "UTF-16")


@pytest.mark.parametrize(
    ("name", "read"),
    [(name, load_config) for name in NO_YAML]
    + [(name, read_skeleton) for name in ALSO_FOR_SKELETONS],
)
def test_no_yaml_of_plain_values(name, read, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, found = NO_YAML[name]
    path = tmp_path / "a.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    told(lambda: read(path), path, found)
    assert not (tmp_path / "ran").exists()


BAD_VALUES = {
    "NaN": ("data: {root: x, sigma: .nan}", "data.sigma: found nan, expected"),
    "Infinity": ("data: {root: x, sigma: .inf}", "data.sigma: found inf, expected"),
    "minus Infinity": ("optim: {lr: -.inf}", "optim.lr: found -inf, expected"),
    "a number beyond floats": ("optim: {lr: 1e400}", "optim.lr: found inf, expected"),
    "10^9 minus": ("data: {root: x, workers: -1000000000}", "data.workers: found -1000000000"),
    "a number of 4,000 digits": (f"seed: -1{'0' * 4000}", "expected a number greater than"),
    "text for a number": ("seed: twelve", "seed: found 'twelve', expected an integer"),
    "a truth value for a number": ("seed: yes", "seed: found True, expected an integer"),
    "a date for text": ("data: {root: 2001-01-01}", "data.root: found .*expected text"),
    "a set for a list": ("data: {root: x, crop_wh: !!set {32, 64}}", "data.crop_wh: found"),
    "a list for a section": ("data: [root]", "data: found .*expected a section of keys"),
    "a section for a value": ("seed: {a: 1}", "seed: found .*expected an integer"),
    "a number as key": ("data: {root: x, 3: 4}", "data.3|data: "),
    "null as key": ("data: {root: x, null: 4}", "data.None|data: "),
    "an unknown key with line breaks": ('"a\\nb": 1', "unknown key"),
    "a value with line breaks": ('seed: "a\\nb"', r"seed: found 'a\\nb', expected an integer"),
    "a long value": (f"seed: {'x' * 100_000}", r"seed: found 'xxx.* \.\.\. "),
    "a long key": (f"? {'x' * 900}\n: 1", "unknown key"),
    "a path as name of the run": ("experiment: ../../etc", "experiment: found '../../etc'"),
    "an absolute path as name": ("experiment: /etc", "experiment: found '/etc'"),
    "an empty name": ("experiment: ''", "experiment: found ''"),
    "a name with a line break": ('experiment: "a\\n"', "experiment: found"),
    "crops of 10^9 pixels": ("data: {root: x, crop_wh: [1000000001, 64]}", "multiples of 32"),
    "no text": ("", "experiment: missing"),
    "null": ("null", "experiment: missing"),
    "a list": ("- 1", "found list, expected `key: value` lines"),
    "a word": ("hello", "found str, expected `key: value` lines"),
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_bad_values(name, limits, tmp_path):
    content, found = BAD_VALUES[name]
    present = {line.split(":")[0] for line in content.splitlines()}
    rest = [line for line in MINIMAL.splitlines() if line.split(":")[0] not in present]
    path = tmp_path / "a.yaml"
    plain = content[:1] in ("", "-") or content in ("null", "hello")
    path.write_text(content if plain else "\n".join([content, *rest]))
    with limits(), pytest.raises(ValueError, match=found) as caught:
        load_config(path)
    for line in str(caught.value).splitlines():
        assert line.startswith(str(path))
        assert len(line) < 2000


def test_many_problems_are_counted(limits, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(MINIMAL + "".join(f"key{k}: 1\n" for k in range(500)))
    with limits(), pytest.raises(ValueError, match="and 480 more problems") as caught:
        load_config(path)
    assert len(str(caught.value).splitlines()) == 21


BAD_SKELETONS = {
    "no mapping": ("[1]", "expected keys with values"),
    "a joint twice": (SKELETON.replace("[top, left, right]", "[top, top]"), "joint names repeat"),
    "a joint with line breaks": (SKELETON.replace("[[top, left]]", '[["a\\nb", left]]'), "unknown"),
    "a number as joint": (SKELETON.replace("joints: [top", "joints: [3"), "found 3, expected"),
    "an unknown key": (SKELETON + "extra: 1", "unknown key 'extra'"),
    "NaN as sigma": (SKELETON + "oks_sigmas: {top: .nan, left: 1, right: 1}", "oks_sigmas"),
    "Infinity as sigma": (SKELETON + "oks_sigmas: {top: .inf, left: 1, right: 1}", "oks_sigmas"),
    "10^400 as sigma": (
        SKELETON + f"oks_sigmas: {{top: 1{'0' * 400}, left: 1, right: 1}}",
        "sigma",
    ),
    "no joint": (SKELETON.replace("[top, left, right]", "[]"), "joint"),
    "a pair of one": (SKELETON.replace("[[top, left]]", "[[top]]"), "expected a pair"),
    "a long wrong value": (SKELETON.replace("[[top, left]]", "x" * 100_000), r"xxx \.\.\."),
}


@pytest.mark.parametrize("name", BAD_SKELETONS)
def test_bad_skeletons(name, told, tmp_path):
    content, found = BAD_SKELETONS[name]
    path = tmp_path / "s.yaml"
    path.write_text(content)
    told(lambda: read_skeleton(path), path, found)


@pytest.mark.parametrize("read", [load_config, read_skeleton])
def test_what_is_no_file(read, told, tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    told(lambda: read(tmp_path / "pipe.yaml"), "pipe.yaml", "no regular file")
    told(lambda: read(tmp_path), tmp_path, "it is a folder")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    told(lambda: read(tmp_path / "loop.yaml"), "loop.yaml", "cannot be read|no such config")
    told(lambda: read(tmp_path / "a\0b.yaml"), tmp_path, "cannot be read")


CIRCLES = {
    "itself": {"a.yaml": "base: a.yaml"},
    "itself by another path": {"a.yaml": "base: ../x/a.yaml"},
    "two": {"a.yaml": "base: b.yaml", "b.yaml": "base: a.yaml"},
    "three": {"a.yaml": "base: b.yaml", "b.yaml": "base: c.yaml", "c.yaml": "base: b.yaml"},
}


@pytest.mark.parametrize("name", CIRCLES)
def test_parents_in_a_circle(name, told, tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    for file, content in CIRCLES[name].items():
        (folder / file).write_text(content)
    told(lambda: load_config(folder / "a.yaml"), folder / "a.yaml", "base: goes in a circle")


@pytest.mark.parametrize(
    ("base", "found"),
    [
        ("/nowhere/a.yaml", r"no such config file \(named by base: in .*a.yaml\)"),
        ("'a\\0b'", "no such config file|bad YAML|cannot be read"),
        ('"a\\0b"', "cannot be read"),
        ("[a.yaml, b.yaml]", "expected the path of one YAML file"),
        ("3", "expected the path of one YAML file"),
        (".", "it is a folder"),
        ("''", "it is a folder"),
    ],
)
def test_bad_parents(base, found, told, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(f"{MINIMAL}base: {base}\n")
    told(lambda: load_config(path), tmp_path, found)


@pytest.mark.parametrize(
    "content",
    [
        MINIMAL.encode("utf-8-sig"),
        MINIMAL.replace("\n", "\r\n").encode(),
        b"%YAML 1.1\n---\n" + MINIMAL.encode() + b"...\n",
        b"train: &t {epochs: 2}\noptim: {lr: 1e-4}\n" + MINIMAL.encode(),
        MINIMAL.replace("{root: data}", "\n  <<: {sigma: 2.0, root: other}\n  root: data").encode(),
    ],
    ids=["byte order mark", "CRLF", "directives", "anchor", "merge"],
)
def test_unusual_but_right(content, tmp_path):
    folder = tmp_path / "Ordner mit Ö und 空"
    folder.mkdir()
    (folder / "a b.yaml").write_bytes(content)
    assert load_config(folder / "a b.yaml").data.root == "data"
