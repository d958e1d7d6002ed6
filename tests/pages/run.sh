#!/usr/bin/env bash
# Usage: tests/pages/run.sh DIRECTORY [part of a test's name]. Installs what package-lock.json pins into
# the directory, and drives the pages. What is missing is skipped, but on a build machine.
set -euo pipefail
modules=$1
shift
for wants in node npm chromium; do
    if ! command -v "$wants" > /dev/null; then
        echo "test-pages: $wants is missing; make deps installs it"
        [ "${CI:-}" = true ] && exit 1
        exit 0
    fi
done
here=$(dirname "$0")
mkdir -p "$modules"
if ! cmp -s "$here/package-lock.json" "$modules/package-lock.json" || [ ! -d "$modules/node_modules" ]; then
    cp "$here/package.json" "$modules"
    (cd "$modules" && rm -rf node_modules)
    cp "$here/package-lock.json" "$modules"
    (cd "$modules" && npm ci --ignore-scripts --no-audit --no-fund)
fi
exec node "$here/run.mjs" "$@"
