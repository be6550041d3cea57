#!/bin/sh
# Put the pinned uv into .tools/, needing nothing but Python 3.11 or newer.
set -eu
cd "$(dirname "$0")/.."
uv_version=0.13.9

chosen=
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        chosen=$candidate
        break
    fi
done
if [ -z "$chosen" ]; then
    found=$(python3 --version 2>/dev/null || echo "no python3")
    echo "Python 3.11 or newer is needed; this machine has $found." >&2
    echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python)," >&2
    echo "or name it: make PYTHON=/path/to/python3.13" >&2
    exit 1
fi

if [ ! -x .tools/bin/pip ]; then
    # --clear: an interrupted try may have left half an environment.
    if ! "$chosen" -m venv --clear .tools; then
        rm -rf .tools
        echo "$chosen cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    fi
fi
.tools/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
