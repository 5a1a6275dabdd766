# Sourced by quickstart.sh and run_tests.sh: makes .venv in the checkout, or reuses it when it is up
# to date, and activates it. PYTHON chooses the interpreter (3.10 or newer).
cd "$(dirname "${BASH_SOURCE[0]}")/.."

setup_env() {
    local python="${PYTHON:-python3}" stamp=.venv/dcpose-stamp wanted
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
        echo "error: $("$python" --version 2>&1) found, Python 3.10 or newer needed; set PYTHON=/path/to/python3" >&2
        exit 2
    fi
    wanted="$("$python" --version) $(cat requirements.txt setup.py | cksum) $PWD"
    if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
        echo "Setting up .venv (a few minutes, several GB: PyTorch brings its CUDA libraries) ..."
        rm -rf .venv
        "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
        # written last, so that an interrupted set-up starts again
        echo "$wanted" > "$stamp"
    fi
    # shellcheck disable=SC1091
    source .venv/bin/activate
}
setup_env
