#!/usr/bin/env bash
# What tests/browser needs: Chromium (Debian's and Ubuntu's package), Node.js 18 or newer with npm, and packages from npm.
set -euo pipefail
cd "$(dirname "$0")/../tests/browser"

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
if [ "${#missing[@]}" -gt 0 ]; then
  echo "Installing ${missing[*]} by apt" >&2
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  log=$(mktemp)
  if ! { "${root[@]}" apt-get update && DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "The browser tests need ${missing[*]}; install them, then run this again. Nothing was tested." >&2
    exit 1
  fi
fi
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund --silent
  touch node_modules/.package-lock.json
fi
