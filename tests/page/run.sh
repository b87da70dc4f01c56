#!/bin/sh
# Drives the status page in a headless browser: run.sh [option of run.mjs...]. Fetches what it needs, in fixed versions, once.
set -eu
cd "$(dirname "$0")"
../npm-install.sh .
exec node run.mjs "$@"
