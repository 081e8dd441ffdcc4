#!/bin/sh
# Install locked requirements into a virtual environment, and with run.lock noghost itself, saying so while it takes long.
#   requirements/install.sh VENV LOCK...
set -eu
venv=$1
shift
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"

arguments="" ours=false
for lock in "$@"; do
  arguments="$arguments -r $lock"
  case $lock in */run.lock) ours=true ;; esac
done

if $ours && ! "$venv/bin/python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("llama_cpp") is None)'; then
  echo "Installing; llama.cpp is compiled once, which takes about 10 minutes on 2 cores unless pip has it in its cache."
  began=$(date +%s)
  (while sleep 30; do echo "  still at it after $(($(date +%s) - began)) s"; done) &
  heart=$!
  trap 'kill $heart 2>/dev/null || true' EXIT
fi

# shellcheck disable=SC2086  # a list of options
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps $arguments
if $ours; then "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --editable .; fi
