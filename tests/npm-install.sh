#!/bin/sh
# Installs what package-lock.json of FOLDER names into its node_modules, or nothing when that is there already:
# npm-install.sh FOLDER. Needs node and npm.
set -eu
cd "$1"
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.installed
fi
