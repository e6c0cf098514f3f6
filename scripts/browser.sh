#!/usr/bin/env bash
# What tests/browser needs: Chromium (Debian's and Ubuntu's package), Node.js 18 or newer with npm, packages from npm, and
# promtool of Debian's package prometheus.
set -euo pipefail
cd "$(dirname "$0")/../tests/browser"

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
tools=.tools
has_promtool() { command -v promtool >/dev/null || [ -x "$tools/usr/bin/promtool" ]; }

# By apt, its words shown only when it fails.
by_apt() {
  local what=$1 log
  shift
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "The browser tests need $what; install it, then run this again. Nothing was tested." >&2
    exit 1
  fi
}
root=()
[ "$(id -u)" = 0 ] || root=(sudo -n)
install_packages() {
  "${root[@]}" apt-get update && DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y --no-install-recommends "$@"
}
# Unpacked and not installed: the package would start a Prometheus on this machine.
unpack_promtool() {
  mkdir -p "$tools" && (cd "$tools" && { apt-get download prometheus || { "${root[@]}" apt-get update && apt-get download prometheus; }; }) \
    && dpkg -x "$tools"/prometheus_*.deb "$tools" && rm "$tools"/prometheus_*.deb
}
if [ "${#missing[@]}" -gt 0 ]; then
  echo "Installing ${missing[*]} by apt" >&2
  by_apt "${missing[*]}" install_packages "${missing[@]}"
fi
if ! has_promtool; then
  echo "Unpacking promtool from Debian's prometheus" >&2
  by_apt "promtool" unpack_promtool
fi
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund --silent
  touch node_modules/.package-lock.json
fi
