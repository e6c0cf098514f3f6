#!/usr/bin/env bash
# Makes a Python client from docs/openapi.json, as a user of the HTTP API would: into build/http-client, with an environment
# of its own, since the generator wants other versions of what we use. Asks the package index for it, once.
set -euo pipefail
cd "$(dirname "$0")/.."

generator=build/http-client/venv
if [ ! -x "$generator/bin/openapi-python-client" ]; then
  rm -rf "$generator"
  .venv/bin/python -m venv "$generator"
  "$generator/bin/python" -m pip install --quiet --disable-pip-version-check 'openapi-python-client==0.29.1'
fi
PATH="$PWD/$generator/bin:$PATH" "$generator/bin/openapi-python-client" generate --overwrite --fail-on-warning \
  --path docs/openapi.json --output-path build/http-client/made >/dev/null
