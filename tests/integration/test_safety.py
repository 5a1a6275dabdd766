"""Nothing that is read is ever run: no eval, no shell, no pickle or YAML that builds objects.

A scan of the source of the package, the tools and the scripts. Where this fails, use what the
message names; do not add an exception unless the input cannot come from a file.
"""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for folder in ("dcpose", "tools", "scripts")
    for path in (REPOSITORY / folder).rglob("*.py")
)
INSTEAD = {
    "eval": "ast.literal_eval or a parser of your own",
    "exec": "a function",
    "compile": "a function",
    "__import__": "an import statement",
    "os.system": "subprocess.run with a list",
    "os.popen": "subprocess.run with a list",
    "pickle.load": "weights.reading.read_weights",
    "pickle.loads": "weights.reading.read_weights",
    "pickle.Unpickler": "weights.reading.read_weights",
    "dill.load": "weights.reading.read_weights",
    "joblib.load": "weights.reading.read_weights",
    "marshal.loads": "JSON",
    "shelve.open": "JSON",
    "yaml.unsafe_load": "files.yaml_text.read_yaml",
    "yaml.full_load": "files.yaml_text.read_yaml",
    "yaml.load_all": "files.yaml_text.read_yaml",
    "torch.jit.load": "weights.reading.read_weights",
    "torch.hub.load": "weights.reading.read_weights",
    "tempfile.mktemp": "tempfile.mkdtemp",
    "shutil.unpack_archive": "zipfile, name by name",
}
BUILTINS = {"eval", "exec", "compile", "__import__"}
UNPACKING = {"extractall", "extract"}


def calls(tree):
    """Yield (node, dotted name of what is called) for each call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def keyword(call, name):
    """Return the source of a keyword argument, None if it is not given."""
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), None)


def faults_of(text):
    """Return what is wrong with a source text, one line each."""
    faults = []
    for call, name in calls(ast.parse(text)):
        at = f"line {call.lineno}: {name}"
        if name in INSTEAD:
            faults.append(f"{at}: use {INSTEAD[name]}")
        if keyword(call, "shell") not in (None, "False"):
            faults.append(f"{at}: runs a shell, give a list")
        if name == "torch.load" and keyword(call, "weights_only") != "True":
            faults.append(f"{at}: say weights_only=True")
        if name in ("np.load", "numpy.load") and keyword(call, "allow_pickle") != "False":
            faults.append(f"{at}: say allow_pickle=False")
        if name == "yaml.load" and keyword(call, "Loader") != "_Loader":
            faults.append(f"{at}: use files.yaml_text.read_yaml")
        if name.rpartition(".")[2] in UNPACKING and "." in name:
            faults.append(f"{at}: an archive may name places outside, read it name by name")
    return faults


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_nothing_that_is_read_is_run(path):
    assert not faults_of(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')", "exec(code)", "os.system('ls')", "subprocess.run('ls', shell=True)",
        "subprocess.Popen(c, shell=on)", "torch.load(p)", "torch.load(p, weights_only=False)",
        "np.load(p)", "np.load(p, allow_pickle=True)", "yaml.load(t, Loader=yaml.Loader)",
        "pickle.loads(b)", "archive.extractall(folder)", "yaml.unsafe_load(t)",
    ],
)  # fmt: skip
def test_the_scan_finds(text):
    assert faults_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "model.eval()", "re.compile(x)", "torch.compile(m)", "torch.load(p, weights_only=True)",
        "subprocess.run(['ls'])", "self.load(x)", "ast.literal_eval(t)",
    ],
)  # fmt: skip
def test_the_scan_lets_pass(text):
    assert not faults_of(text)


def test_only_the_reader_of_weights_unpickles():
    users = [
        path.relative_to(REPOSITORY).as_posix()
        for path in FILES
        if any("pickle" in alias.name for node in ast.walk(ast.parse(path.read_text()))
               if isinstance(node, ast.Import) for alias in node.names)
    ]  # fmt: skip
    assert users == [
        "dcpose/engine/run/checkpoint.py",  # the name of its error alone
        "dcpose/weights/inert_pickle.py",
        "dcpose/weights/reading.py",
    ]
