#!/bin/sh
# Checks the dashboards against Grafana's own types, of the versions in package-lock.json.
set -eu
cd "$(dirname "$0")"
../npm-install.sh .
exec node schema.mjs "$@"
