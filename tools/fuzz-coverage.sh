#!/usr/bin/env bash
# Shows how much of a target libFuzzer reaches, led by coverage and under AddressSanitizer, and whether that has come to
# an end: the edges that were reached after each quarter of the time.
#
# Needs nightly Rust and cargo-fuzz. What it tries begins with the committed corpus and is not kept. Inputs on which a
# target fails lie in tests/fuzz/libfuzzer/artifacts, and fail the command.
# Usage: fuzz-coverage.sh SECONDS [TARGET]...
# Without targets: all that need no llama.cpp. FEATURES=files builds those that read files, and llama.cpp for them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
seconds=${1:?seconds for each target}
shift
targets=("$@")
[ $# -gt 0 ] || targets=(wire frames device verifier text tools schema calibration)
features=()
[ -z "${FEATURES:-}" ] || features=(--features "$FEATURES")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

printf '%-12s %12s  %s\n' target runs 'edges reached after each quarter of the time'
for target in "${targets[@]}"; do
    mkdir "$scratch/$target"
    cargo +nightly fuzz build --fuzz-dir "$root/tests/fuzz/libfuzzer" "${features[@]}" "$target" >&2
    cargo +nightly fuzz run --fuzz-dir "$root/tests/fuzz/libfuzzer" "${features[@]}" "$target" \
        "$scratch/$target" "$root/tests/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 2>&1 |
        python3 -u -c '
import re, sys, time
target, seconds = sys.argv[1], float(sys.argv[2])
began, edges, runs, marks = None, 0, 0, []
last = []
for line in sys.stdin:
    last = last[-30:] + [line]
    found = re.match(r"#(\d+)\s.*cov: (\d+)", line)
    if not found:
        continue
    began = began or time.monotonic()
    while len(marks) < 3 and time.monotonic() - began > seconds * (len(marks) + 1) / 4:
        marks.append(edges)
    runs, edges = int(found[1]), int(found[2])
if not any(line.startswith("Done ") for line in last):
    sys.exit("".join(last))
marks += [edges] * (4 - len(marks))
print(f"{target:12} {runs:12}  " + "  ".join(map(str, marks)))
' "$target" "$seconds"
done
