#!/usr/bin/env bash
# Takes the Swift package as an app's developer does: by URL and version, into a fresh package that then writes a reply.
#
# Decides what is shown of a release here: that the repository which swift-release.sh writes can be had from a git
# server, that SwiftPM resolves it by its tag and builds it without anything of this checkout but the library, and that
# what was built writes a reply with the bundled pair, checked by a verifier. For Linux, where a release needs no
# XCFramework; with Swift, or where sandbox/swift.sh can make one. A minute, or some on a busy machine.
# Usage: swift-release-test.sh [FIXTURE]    FIXTURE is the program that gives models and a verifier
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=${tools%/*}
fixture=$(realpath "${1:-$repository/target/debug/uhlm-fixture}")
libraries=$repository/target/bindings/lib
library=$libraries/libuhlm_ffi.so
version=0.1.0
for file in "$fixture" "$library"; do
    [ -f "$file" ] || { echo "$file is missing; \`cargo xtask bindings swift\` makes both" >&2 && exit 1; }
done
# swift-release.sh asks for them too, and says what makes them; here they need nothing but cargo's own sources.
[ -s "$repository/target/notices/uhlm-native.cdx.json" ] || (cd "$repository" && cargo xtask notices >/dev/null)
scratch=$(mktemp -d)
started=()
finish() {
    for process in ${started[@]+"${started[@]}"}; do kill "$process" 2>/dev/null || :; done
    rm -rf "$scratch"
}
trap finish EXIT

# Another llama.cpp in an app must not meet this one's.
strangers=$(nm -D --defined-only "$library" | awk '{ print $NF }' | grep -E '^(llama|ggml|gguf)_|^_Z' || :)
[ -z "$strangers" ] || { echo "$library shows $(head -n 1 <<<"$strangers")" >&2 && exit 1; }

# The commit of a release is made by whoever makes it; here that is nobody.
export GIT_AUTHOR_NAME=nobody GIT_AUTHOR_EMAIL=nobody@localhost
export GIT_COMMITTER_NAME=nobody GIT_COMMITTER_EMAIL=nobody@localhost
"$tools/swift-release.sh" "$scratch/served/uhlm-swift" "$version"

# A port that is free: the server ends at once where it is not.
for port in $(shuf -i 20000-60000 -n 8); do
    git daemon --export-all --base-path="$scratch/served" --listen=127.0.0.1 --port="$port" 2>/dev/null &
    server=$! url=git://127.0.0.1:$port/uhlm-swift
    for _ in $(seq 50); do
        if git ls-remote --exit-code "$url" "refs/tags/$version" >/dev/null 2>&1; then break 2; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    kill "$server" 2>/dev/null || :
    server=
done
[ -n "${server:-}" ] || { echo "no git server came up" >&2 && exit 1; }
started+=("$server")

# What was released has the code of others that is in the library, and the licences of it.
released() { git -C "$scratch/served/uhlm-swift" show "$version:$1"; }
for name in llama.cpp ring; do
    released uhlm-native.cdx.json | grep "\"name\": *\"$name\"" >/dev/null ||
        { echo "the bill of materials does not name $name" >&2 && exit 1; }
done
released THIRD-PARTY-NOTICES.txt | grep 'MIT License' >/dev/null ||
    { echo "the notices hold no licence" >&2 && exit 1; }

mkdir -p "$scratch/app/Sources/app"
cat >"$scratch/app/Package.swift" <<MANIFEST
// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "app",
    platforms: [.macOS(.v12)],
    dependencies: [.package(url: "$url", from: "$version")],
    targets: [.executableTarget(name: "app", dependencies: [.product(name: "Uhlm", package: "uhlm-swift")])]
)
MANIFEST
cat >"$scratch/app/Sources/app/main.swift" <<'SWIFT'
import Foundation
import Uhlm

let arguments = CommandLine.arguments
let engine = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: arguments[1]))
let verifier = try UhlmVerifier(
    options: RemoteOptions(endpoint: arguments[2], trust: .fingerprint(sha256: arguments[3])))
let session = try await engine.openSession(
    verifier: verifier, options: SessionOptions(mode: .exact, consent: .conversation))
let reply = try await session.respond(to: "4 kilometres in metres?")
print("reply: \(reply.text)")
print("checked: \(reply.statistics.origins.verified + reply.statistics.origins.target) of \(reply.statistics.tokens)")
SWIFT

# Its caches are its own: what an earlier run left says of another release.
"$tools/sandbox/swift.sh" swift build --disable-sandbox --package-path "$scratch/app" \
    --cache-path "$scratch/cache" --config-path "$scratch/config" --security-path "$scratch/security" \
    -Xlinker "-L$libraries" -Xlinker -rpath -Xlinker "$libraries"
grep -q "\"version\" : \"$version\"" "$scratch/app/Package.resolved" ||
    { echo "SwiftPM did not take $version" >&2 && exit 1; }

# The fixture ends when its standard input does.
mkfifo "$scratch/open"
"$fixture" <"$scratch/open" >"$scratch/ready" &
started+=("$!")
exec 8>"$scratch/open"
for _ in $(seq 300); do
    [ "$(wc -l <"$scratch/ready")" = 0 ] || break
    sleep 0.1
done
field() { sed -n "s/.*$1:\"\([^\"]*\)\".*/\1/p" "$scratch/ready" | head -n 1; } # $1: a pattern for what stands before
server='"server":{"url":"[^"]*","fingerprint"'
said=$("$tools/sandbox/swift.sh" "$scratch/app/.build/debug/app" "$(field '{"draft"')" \
    "$(field '"server":{"url"')" "$(field "$server")")
echo "$said"
# All of it was checked, and the demo pair knows the answer.
tokens=$(sed -n 's/^checked: \([0-9]*\) of \1$/\1/p' <<<"$said")
[ "${tokens:-0}" -gt 0 ] || { echo "the reply was not checked" >&2 && exit 1; }
grep -q '^reply: .*4000' <<<"$said" || { echo "the reply is another one" >&2 && exit 1; }
