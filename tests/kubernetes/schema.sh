#!/bin/sh
# Checks the manifests against the types of the Kubernetes API, of the versions in package-lock.json. Needs node and npm;
# installs into node_modules beside this file, and nothing when that is there already.
set -eu
cd "$(dirname "$0")"
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.installed
fi
exec node schema.mjs "$@"
