#!/bin/sh
# Drives the status page in a headless browser: run.sh [option of run.mjs...]. Fetches what it needs, in fixed versions, once.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --no-audit --no-fund --silent
exec node run.mjs "$@"
