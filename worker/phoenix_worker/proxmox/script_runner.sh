# Runs a script detached, and tells how it is. For any POSIX shell, busybox's too; with systemd or without.
#
# sh -c THIS phoenix-lxc THIS ACTION HOME NAME …     HOME holds a directory for each NAME, and in it one for each run,
# HASH.TOKEN: what was run, and for whom. Files of a run: script, config.json, log, pid (number and time of birth of the
# process, whose group is the script's), exit (its code; `stopped` when it was ended from outside).
#
#   start HOME NAME HASH TOKEN FRESH CTID CT_NAME [FILE SHA256]   stdin: see `receive`
#     A FILE of the node is run in the script's place if it is what was hashed: not one that was changed before, and one
#     that is changed before it ends has not run. The code of both is `changed`.
#     → the state of the run to wait for, and its directory: one of this HASH that is under way or ended well is taken,
#       unless a FRESH one is wanted; so is one of this HASH and TOKEN in any case. `busy`: another HASH is under way.
#   check OWN CTID CT_NAME   stdin: see `receive`. Runs it here and now; its output and its code are those of this program
#   look RUN OFFSET → the state, the size of the log, and the log from OFFSET on
#   stop RUN → the state once its process group has been ended
#   clear HOME removes all runs
#   hashes FILE … → the SHA-256 and the name of each, ended by NUL. What is no regular file is not read: it may have no end
# States: absent | starting | running | ended CODE | lost (no process and no exit code: a restart, or the killer's work)
set -u
umask 077
PATH=${PATH:-/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

born() { # in ticks since the machine's start: the 22nd field of stat, counted from behind the name in brackets
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  set -- ${stat##*) }
  [ "$1" != Z ] && echo "${20}"
}

alive() {
  pid= birth=
  [ -f "$1/pid" ] || return 1 # root in the container may have put there what has no end
  read -r pid birth <"$1/pid" 2>/dev/null || return 1
  [ "$(born "$pid")" = "$birth" ]
}

state() {
  if [ -f "$1/exit" ]; then echo "ended $(cat "$1/exit")"
  elif [ ! -d "$1" ]; then echo absent
  elif [ ! -f "$1/pid" ]; then # it begins within a moment, or whoever was to start it is gone
    if [ "$(find "$1" -prune -mmin +5 2>/dev/null)" ]; then echo lost; else echo starting; fi
  elif alive "$1"; then echo running
  elif [ -f "$1/exit" ]; then echo "ended $(cat "$1/exit")" # it ended between the two looks
  else echo lost
  fi
}

receive() { # stdin: script and config.json as lines in base64; a line that says whether a tar archive follows; the archive
  IFS= read -r script && IFS= read -r config && IFS= read -r archive
}

unpack() {
  printf %s "$script" | base64 -d >"$own/script" && printf %s "$config" | base64 -d >"$own/config.json" &&
    chmod 700 "$own/script" && { [ -z "$archive" ] || tar -xpf - -C "$own"; }
}

start() {
  runs=$1/$2 hash=$3 own=$1/$2/$3.$4 fresh=$5 ctid=$6 ct_name=$7
  shift 7
  receive || return 1 # what was cut on the way is not run
  [ -d "$own" ] && { state "$own"; echo "$own"; return; }
  for run in "$runs"/*; do
    [ -d "$run" ] || continue
    same=0
    case ${run##*/} in "$hash".*) same=1 ;; esac
    case $(state "$run") in
      running | starting)
        if [ $same = 1 ]; then state "$run"; echo "$run"; else echo busy; echo "$run"; fi
        return ;;
      'ended 0') [ $same = 1 ] && [ "$fresh" = 0 ] && { echo 'ended 0'; echo "$run"; return; } ;;
    esac
    rm -rf "$run"
  done
  mkdir -p "$runs" || return 1
  mkdir "$own" 2>/dev/null || { [ -d "$own" ] || return 1; state "$own"; echo "$own"; return; }
  unpack && : >"$own/log" || { rm -rf "$own"; return 1; }
  if command -v setsid >/dev/null 2>&1; then detach=setsid; else detach=nohup; fi
  CTID=$ctid CT_NAME=$ct_name CT_CONFIG=$own/config.json \
    $detach sh -c "$PROGRAM" phoenix-lxc "$PROGRAM" run "$own" "$ctid" "$@" >/dev/null 2>&1 </dev/null &
  echo starting
  echo "$own"
}

check() {
  own=$1.$$ ctid=$2 ct_name=$3
  trap 'rm -rf "$own"' EXIT
  receive && mkdir -p "$own" && unpack || return 1
  cd "${HOME:-/}" 2>/dev/null || cd /
  CTID=$ctid CT_NAME=$ct_name CT_CONFIG=$own/config.json "$own/script" "$ctid" </dev/null
}

known() { [ -z "$sha" ] || { [ -f "$file" ] && stat -Lc '%d %i %z' -- "$file" && sha256sum <"$file"; }; }

run() { # detached: what `start` leaves behind
  own=$1 ctid=$2 file=${3:-$1/script} sha=${4-}
  [ -f "$own/exit" ] && exit # stopped before it began
  cd "${HOME:-/}" 2>/dev/null || cd /
  echo "$$ $(born $$)" >"$own/pid.new" && mv "$own/pid.new" "$own/pid" || exit 1
  seen=$(known) code=changed
  case $seen in *"$sha"*)
    "$file" "$ctid" >"$own/log" 2>&1 </dev/null
    code=$?
    [ "$(known)" = "$seen" ] || code=changed ;;
  esac
  echo "$code" >"$own/exit.new" && mv "$own/exit.new" "$own/exit"
}

look() {
  state "$1"
  [ -f "$1/log" ] || { echo 0; return; }
  wc -c <"$1/log" 2>/dev/null || echo 0
  tail -c "+$(($2 + 1))" "$1/log" 2>/dev/null | head -c 65536
}

stop() {
  if alive "$1"; then
    for signal in TERM TERM TERM TERM TERM KILL; do
      kill -s $signal -- "-$pid" 2>/dev/null || kill -s $signal "$pid" 2>/dev/null
      sleep 1
      alive "$1" || break
    done
  fi
  [ -f "$1/exit" ] || [ ! -d "$1" ] || echo stopped >"$1/exit"
  state "$1"
}

clear() { rm -rf "$1"; }

hashes() {
  for file; do
    if [ -e "$file" ] && [ ! -f "$file" ]; then echo "$file: Not a regular file" >&2; return 1; fi
  done
  sha256sum -z -- "$@"
}

PROGRAM=$1
shift
"$@"
