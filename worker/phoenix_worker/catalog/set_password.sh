#!/bin/sh
# Set root's password. It lies in a file that only root can read, until here, and is no argument of any program.
set -eu
trap 'rm -f -- "$CT_CONFIG"' EXIT
{ printf 'root:'; cat "$CT_CONFIG"; } | chpasswd
