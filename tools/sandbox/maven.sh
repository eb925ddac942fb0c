#!/usr/bin/env bash
# Runs Maven, and installs it with a JDK first where one is missing and that needs no question.
# Usage: maven.sh ARGUMENT...
# Prints what Maven prints. Maven fetches what it lacks from its repository once; later runs need no network.
set -euo pipefail

runs() { mvn --version >/dev/null 2>&1 && javac --version >/dev/null 2>&1; }

if ! runs && ! { "${BASH_SOURCE[0]%/*}/packages.sh" maven && runs; }; then
    echo "\`mvn\` or \`javac\` does not run: install Maven 3.8 or newer and a JDK of version 17 or newer" >&2
    exit 1
fi
exec mvn --batch-mode --no-transfer-progress "$@"
