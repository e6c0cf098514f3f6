#!/bin/sh
# What every container of the example has. Runs in the container as root, with CTID, CT_NAME and CT_CONFIG.
set -eu
if command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes ca-certificates curl jq
elif command -v apk >/dev/null; then
  apk add ca-certificates curl jq
fi
echo "$CT_NAME is set up."
