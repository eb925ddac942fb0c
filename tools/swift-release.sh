#!/usr/bin/env bash
# Writes the Swift package as it is released: a git repository that can be added by its URL, generated sources and all.
#
# Decides what belongs to a release. The library is not in it: on Apple's systems it is a zip that the manifest names
# with its checksum, on Linux it is installed beside the app. What the library holds of others is in it, with their
# licences: a text for people and a bill of materials for tools.
# Usage: swift-release.sh FOLDER VERSION [URL CHECKSUM]
#   FOLDER must not exist or be such a repository; VERSION becomes a tag. URL is where the zip of `cargo xtask ios` will
#   be, CHECKSUM what that printed for it; without them only Linux can use the release.
set -euo pipefail
[ $# = 2 ] || [ $# = 4 ] || { sed -n 's/^# Usage: /usage: /p' "${BASH_SOURCE[0]}" >&2 && exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd) version=$2 url=${3:-} checksum=${4:-}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

made=(bindings/swift/Sources/Uhlm/Generated/Uhlm.swift bindings/swift/Sources/uhlmFFI/uhlmFFI.h)
for file in "${made[@]}"; do
    if ! [ -f "$file" ]; then
        echo "$file is missing; \`cargo xtask bindings swift\` or, on a Mac, \`cargo xtask ios\` makes it" >&2
        exit 1
    fi
done
notices=(target/notices/THIRD-PARTY-NOTICES.txt target/notices/uhlm-native.cdx.json)
for file in "${notices[@]}"; do
    [ -s "$file" ] || { echo "$file is missing; \`cargo xtask notices\` makes it" >&2 && exit 1; }
done
if ! [ -e "$folder/.git" ]; then
    [ -z "$(ls -A "$folder")" ] || { echo "$folder holds something else" >&2 && exit 1; }
    git init --quiet --initial-branch main "$folder"
fi
! git -C "$folder" rev-parse --quiet --verify "refs/tags/$version" >/dev/null ||
    { echo "$version is released already" >&2 && exit 1; }

# What an earlier release had and this one has not must not stay.
git -C "$folder" rm -r --quiet --force --ignore-unmatch .
git ls-files Package.swift 'LICENSE-*' docs/swift.md bindings/swift/Sources bindings/swift/Tests |
    { cat && printf '%s\n' "${made[@]}"; } | tar -cf - -T - | tar -xf - -C "$folder"
mv "$folder/docs/swift.md" "$folder/README.md"
rmdir "$folder/docs"
cp "${notices[@]}" "$folder"
if [ -n "$url" ]; then
    release="(url: \"$url\", checksum: \"$checksum\")"
    sed "s|^let release: .* = nil\$|let release: (url: String, checksum: String)? = $release|" Package.swift \
        >"$folder/Package.swift"
    grep -qF "$checksum" "$folder/Package.swift" || { echo "Package.swift has no place for the release" >&2 && exit 1; }
fi
git -C "$folder" add --all
git -C "$folder" commit --quiet --message "Release $version"
git -C "$folder" tag --annotate --message "Release $version" "$version"
echo "$folder: $version, $(git -C "$folder" ls-files | wc -l | tr -d ' ') files"
