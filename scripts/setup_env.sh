# Sourced by quickstart.sh and run_tests.sh: makes .venv in the checkout, or reuses it when it is up
# to date, and activates it. PYTHON chooses the interpreter (3.10 or newer); TORCH_INDEX an index to
# take PyTorch from, such as https://download.pytorch.org/whl/cpu, which leaves CUDA's libraries out.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

setup_env() {
    local python="${PYTHON:-python3}" stamp=.venv/dcpose-stamp wanted bin=bin
    local pip=(-m pip install --quiet --disable-pip-version-check)
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
        echo "error: $("$python" --version 2>&1) found, Python 3.10 or newer needed; set PYTHON=/path/to/python3" >&2
        exit 2
    fi
    case "$(uname -s)" in MINGW* | MSYS* | CYGWIN*) bin=Scripts ;; esac
    wanted="$("$python" --version) ${TORCH_INDEX:-} $(cat requirements.txt setup.py | cksum) $PWD"
    if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
        if [ -n "${TORCH_INDEX:-}" ]; then
            echo "Setting up .venv: PyTorch from $TORCH_INDEX, and requirements.txt ..."
        elif [ "$(uname -s)" = Linux ]; then
            echo "Setting up .venv: PyTorch with its CUDA libraries (about 6 GB on disk), and requirements.txt ..."
            echo "A machine without an NVIDIA GPU needs none of CUDA: TORCH_INDEX=https://download.pytorch.org/whl/cpu"
        else
            echo "Setting up .venv: PyTorch and requirements.txt ..."
        fi
        rm -rf .venv
        "$python" -m venv .venv
        python=".venv/$bin/python"
        if [ -n "${TORCH_INDEX:-}" ]; then
            "$python" "${pip[@]}" --index-url "$TORCH_INDEX" $(grep -E '^torch(vision)?==' requirements.txt)
        fi
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            "$python" "${pip[@]}" -r requirements.txt
            "$python" "${pip[@]}" --no-deps --editable .
        else # the tested versions need 3.11
            "$python" "${pip[@]}" --editable '.[dev,report]'
        fi
        # written last, so that an interrupted set-up starts again
        echo "$wanted" > "$stamp"
    fi
    # shellcheck disable=SC1090
    source ".venv/$bin/activate"
}
setup_env
