#!/usr/bin/env bash
# "My devices" in Django, on 127.0.0.1:8000, with a Redis server of its own: scripts/example-django.sh <module>
# What it installs and keeps is in build/examples. scripts/example.sh says what can be set.
set -euo pipefail
module=$(realpath "$1")
cd "$(dirname "$0")/.."
. scripts/example.sh

need python3 "Python 3.10 or later"
install=build/examples/django
stamp=$install/installed
if changed "$stamp" clients/python/src clients/python/pyproject.toml examples/devices/django/requirements.txt; then
    echo "Installing what the site needs in $install"
    python3 -m venv "$install" || { echo "Python's venv is missing: install python3-venv" >&2; exit 1; }
    pip=("$install/bin/python" -m pip install --quiet --disable-pip-version-check)
    "${pip[@]}" -r examples/devices/django/requirements.txt
    "${pip[@]}" --force-reinstall --no-deps clients/python # its version is the same, what is in it may not be
    touch "$stamp"
fi

start_redis django "$module" 6392
export REDIS_URL=$redis_url DATABASE=$data/db.sqlite3 PYTHONDONTWRITEBYTECODE=1
SECRET_KEY=$(secret)
export SECRET_KEY
manage=examples/devices/django/manage.py
"$install/bin/python" "$manage" check --fail-level WARNING
"$install/bin/python" "$manage" migrate --verbosity 0
echo "My devices, in Django: http://127.0.0.1:${EXAMPLE_PORT:-8000}"
run "$install/bin/python" -u "$manage" runserver --insecure --noreload "127.0.0.1:${EXAMPLE_PORT:-8000}"
