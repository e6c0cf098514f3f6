#!/bin/sh
# Have the declared keys among root's, in the place where Proxmox puts them at creation; all others stay.
set -eu
umask 077
file=${HOME:-/root}/.ssh/authorized_keys
begin='# --- BEGIN PVE ---' end='# --- END PVE ---'
mkdir -p "${file%/*}"
[ -e "$file" ] || : >"$file"
new=$file.$$
trap 'rm -f -- "$new"' EXIT
if grep -qxF -e "$end" "$file"; then sed "/^$begin\$/,/^$end\$/d" "$file" >"$new"; else cat "$file" >"$new"; fi
[ -z "$(tail -c 1 "$new")" ] || echo >>"$new"
if [ -s "$CT_CONFIG" ]; then
  { echo "$begin"; cat "$CT_CONFIG"; echo "$end"; } >>"$new"
fi
mv -f -- "$new" "$file"
