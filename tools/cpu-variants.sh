#!/usr/bin/env bash
# Builds the variants of an ABI's native library for Linux, where they can be run, and measures them side by side.
#
# Decides nothing about the variants: android-variants.sh does. What differs from Android's libraries is the system, and
# with it the C++ library, which those have inside.
# Usage: cpu-variants.sh x86_64|arm64-v8a [MODEL.gguf]...
# Prints the size of each library, stripped and compressed. Each variant then has to write in `exact` what the target
# writes alone, on the processor of another ABI by qemu-user. On one of this ABI it also prints how many tokens a second
# each draws from each model (the bundled draft model, if none is named), one thread, all in turn in one run: medians.
# ROUNDS is how often each is measured, 5 unless it is set; VARIANTS names some of them ("baseline avx2"). KEEP=1 takes
# what an earlier run has built.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
abi=${1:?an ABI}
shift
models=("$@")
[ $# -gt 0 ] || models=("$root/models/demo-draft.gguf")
rounds=${ROUNDS:-5}
out=$root/target/variants/$abi
mkdir -p "$out"

case $abi in
    x86_64) triple=x86_64-unknown-linux-gnu prefix='' machine=x86_64 ;;
    arm64-v8a) triple=aarch64-unknown-linux-gnu prefix=aarch64-linux-gnu- machine=aarch64 ;;
    *)
        echo "Linux has no build for the ABI $abi here" >&2
        exit 1
        ;;
esac
emulator=()
if [ "$(uname -m)" != "$machine" ]; then
    # -cpu max: all that any variant asks for.
    emulator=("qemu-$machine-static" -cpu max -L "/usr/$machine-linux-gnu")
    for tool in "${prefix}gcc" "${prefix}g++" "${emulator[0]}"; do
        command -v "$tool" >/dev/null || {
            echo "$tool is missing (Debian: gcc-$machine-linux-gnu, g++-$machine-linux-gnu, qemu-user-static)" >&2
            exit 1
        }
    done
    rustup target add "$triple" >/dev/null 2>&1 || true
    export "CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$triple")_LINKER=${prefix}gcc"
    export "CC_${triple//-/_}=${prefix}gcc" "CXX_${triple//-/_}=${prefix}g++"
    export "BINDGEN_EXTRA_CLANG_ARGS_${triple//-/_}=--target=$triple -I/usr/$machine-linux-gnu/include"
fi
# For Linux on ARM, llama.cpp's build script names the oldest processor, whatever it is told; this has the last word.
cat >"$out/arch.cmake" <<'CMAKE'
if(DEFINED ENV{UHLM_CPU_ARM_ARCH})
    set(GGML_CPU_ARM_ARCH $ENV{UHLM_CPU_ARM_ARCH} CACHE STRING "" FORCE)
endif()
CMAKE

# Those of the packages, and one for AVX-512, which is measured to say why they have none. It has no VBMI, for which
# ggml has no code, and no BF16, which processors with the rest may lack.
variants() {
    "$root/tools/android-variants.sh" "$abi"
    [ "$abi" != x86_64 ] || "$root/tools/android-variants.sh" "$abi" | sed -n '/^avx2/{s//avx512/;s/=OFF/=ON/g;p}'
}

names=()
while read -r name _ variables; do
    [[ -z ${VARIANTS:-} || " $VARIANTS " == *" $name "* ]] || continue
    names+=("$name")
    [ -z "${KEEP:-}" ] || [ ! -x "$out/$name/uhlm" ] || continue
    read -ra variables <<<"$variables"
    echo "building $name: ${variables[*]}" >&2
    # With its cache, CMake would stay with what it was told first. What it has compiled it compiles again where that
    # needs other flags.
    find "$out/build" -path '*llama-cpp-sys-2-*/CMakeCache.txt' -delete 2>/dev/null || true
    build() { # $1: a package, by itself as an app has it
        env "${variables[@]}" UHLM_CPU_ARM_ARCH="$(sed -n 's/^GGML_CPU_ARM_ARCH=//p' <<<"${variables[0]:-}")" \
            CMAKE_PROJECT_INCLUDE="$out/arch.cmake" \
            cargo build --quiet --release --locked --target "$triple" --target-dir "$out/build" \
            --manifest-path "$root/Cargo.toml" -p "$1"
    }
    build uhlm-ffi
    mkdir -p "$out/$name"
    "${prefix}strip" -o "$out/$name/libuhlm_ffi.so" "$out/build/$triple/release/libuhlm_ffi.so"
    build uhlm-cli
    cp "$out/build/$triple/release/uhlm" "$out/$name/uhlm"
done < <(variants)

printf '%-10s  %11s  %8s\n' variant 'stripped MB' 'gzip MB'
for name in "${names[@]}"; do
    library=$out/$name/libuhlm_ffi.so
    awk -v name="$name" -v bytes="$(wc -c <"$library")" -v packed="$(gzip -9 -c "$library" | wc -c)" \
        'BEGIN { printf "%-10s  %11.2f  %8.2f\n", name, bytes / 1e6, packed / 1e6 }'
done

ask() { # $1: the variant, then options
    local name=$1
    shift
    ${emulator[@]+"${emulator[@]}"} "$out/$name/uhlm" generate 'How many legs has a spider?' "$@" --json \
        --temperature 0 -n 24 --model "$root/models/demo-draft.gguf" --target "$root/models/demo-target.gguf" \
        </dev/null
}
text() { python3 -c 'import json, sys; print(json.load(sys.stdin)["text"])'; }
for name in "${names[@]}"; do
    exact=$(ask "$name" --mode exact | text)
    alone=$(ask "$name" --mode remote_only | text)
    [ -n "$exact" ] && [ "$exact" = "$alone" ] || {
        echo "$name wrote \"$exact\" in exact, and its target alone \"$alone\"" >&2
        exit 1
    }
    echo "$name: exact and remote_only wrote the same: $exact"
done
[ ${#emulator[@]} -eq 0 ] || exit 0

for model in "${models[@]}"; do
    for _ in $(seq "$rounds"); do
        for name in "${names[@]}"; do
            printf '%s ' "$name"
            "$out/$name/uhlm" bench load --model "$model" --threads 1 --rounds 1 --seconds 2 --json | tr -d '\n'
            echo
        done
    done | python3 -c '
import json, statistics, sys
rates = {}
for line in sys.stdin:
    name, document = line.split(" ", 1)
    rates.setdefault(name, []).append(json.loads(document)["rows"][0]["alone"]["tokens_per_second"])
medians = {name: statistics.median(all) for name, all in rates.items()}
first = next(iter(medians.values()))
for name, all in rates.items():
    spread = f"{min(all):.1f} to {max(all):.1f}"
    print(f"{sys.argv[1]}: {name} {medians[name]:.1f} tokens/s ({spread}), {medians[name] / first:.2f} times the first")
' "$(basename "$model")"
done
