#!/usr/bin/env bash
# Checks libraries for Android: can every phone load them?
#
# Decides what a library must be: aligned to the phones' pages, without a need that Android does not fill, and, for our
# own, one of the variants that android-variants.sh lists, stripped, and with no symbols that could clash with an app's.
# Usage: android-library.sh FILE...
# Each is checked by the rules of the processor that it is for; in a folder named after an ABI, that is the ABI's.
# Prints one row a library, and what each needs; fails with what is wrong. READELF names another tool than binutils'.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

OURS='libuhlm_ffi*.so' # the names that the Kotlin code asks for
# What Android has for apps, of that which ours may want. The C++ library is not among it, and is inside ours: two
# libraries that each ship their own libc++_shared.so cannot be in one app.
AVAILABLE=" libc.so libm.so libdl.so liblog.so libandroid.so "
# A library for a GPU (UHLM_GPU, as android.sh has it) wants what not every phone has, so the baseline must do without.
case ${UHLM_GPU:-} in
    vulkan) FOR_GPU=" libvulkan.so " ;;
    opencl) FOR_GPU=" libOpenCL.so " ;;
    *) FOR_GPU=' ' ;;
esac
# How the names begin that must be visible: functions of the surface, what the generator reads, and the loader's hooks.
VISIBLE='^(uniffi_|ffi_|UNIFFI_META_|JNI_OnLoad|Java_)'

problems=0
problem() {
    echo "$name $*" >&2
    problems=$((problems + 1))
}

printf '%-34s  %11s  %9s  %7s  %s\n' library "stripped MB" alignment exports result
for file in "$@"; do
    name=${file##*/} before=$problems
    # One listing for all that is asked: header, segments, dynamic section, sections, dynamic symbols.
    if ! facts=$("${READELF:-readelf}" -hldSW --dyn-syms "$file" 2>&1) || ! grep -q '^  Type: *DYN' <<<"$facts"; then
        problem "is no shared library"
        continue
    fi
    case $(grep -m 1 '^  Machine:' <<<"$facts") in
        *AArch64*) abi=arm64-v8a page=$((16 * 1024)) ;;
        *ARM*) abi=armeabi-v7a page=$((4 * 1024)) ;; # 32-bit phones have small pages
        *X86-64*) abi=x86_64 page=$((16 * 1024)) ;;
        *) abi=none page=0 ;;
    esac
    folder=$(basename "$(dirname "$file")")
    name="$abi $name"
    [ "$abi" != none ] || problem "is built for a processor that no phone has"
    case $folder in
        arm64-v8a | armeabi-v7a | x86_64) [ "$folder" = "$abi" ] || problem "is not for $folder" ;;
    esac

    alignment=$(awk '$1 == "LOAD" { print $NF }' <<<"$facts" |
        while read -r hexadecimal; do echo $((hexadecimal)); done | sort -n | head -n 1)
    [ "${alignment:-0}" -ge "$page" ] || problem "is aligned to $alignment bytes, pages of $page are to be expected"
    ! grep -qE '\(TEXTREL\)|\(FLAGS\).*TEXTREL' <<<"$facts" ||
        problem "has code to be written to, which Android refuses"
    needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$facts")
    available=$AVAILABLE
    [ "${file##*/}" = libuhlm_ffi.so ] || available=$AVAILABLE$FOR_GPU
    for library in $needed; do
        [ "${available/ $library /}" != "$available" ] ||
            problem "needs $library, which Android has not and we do not ship"
    done

    exports=$(awk '
        $7 != "UND" && ($5 == "GLOBAL" || $5 == "WEAK") && NF >= 8 { sub("@.*", "", $8); print $8 }
    ' <<<"$facts")
    count=$(grep -c . <<<"$exports" || :)
    file_name=${file##*/}
    # shellcheck disable=SC2053 # a pattern
    if [[ $file_name == $OURS ]]; then
        looked_for=$([ "$abi" = none ] || "$tools/android-variants.sh" "$abi" | cut -d ' ' -f 2)
        grep -qxF "$file_name" <<<"$looked_for" || problem "is looked for on no phone of this ABI"
        soname=$(sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p' <<<"$facts")
        [ "${soname:-$file_name}" = "$file_name" ] || problem "calls itself $soname"
        grep -q ^uniffi_ <<<"$exports" || problem "has none of the functions that Kotlin calls"
        strangers=$(grep -vE "$VISIBLE" <<<"$exports" | grep . || :)
        [ -z "$strangers" ] || problem "exports $(grep -c . <<<"$strangers") symbols that could clash with an app's," \
            "such as $(head -n 1 <<<"$strangers")"
        ! grep -q ' \.symtab ' <<<"$facts" || problem "is not stripped"
    fi
    bytes=$(wc -c <"$file")
    [ "$problems" = "$before" ] && result=ok || result=FAILED
    printf '%-34s  %8d.%02d  %9d  %7d  %s\n' "$name" $((bytes / 1000000)) $((bytes / 10000 % 100)) \
        "${alignment:-0}" "$count" "$result"
    echo "$name needs $(xargs <<<"$needed")"
done
[ "$problems" = 0 ] || exit 1
