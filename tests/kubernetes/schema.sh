#!/bin/sh
# Checks the manifests against the types of the Kubernetes API, of the versions in package-lock.json.
set -eu
cd "$(dirname "$0")"
../npm-install.sh .
exec node schema.mjs "$@"
