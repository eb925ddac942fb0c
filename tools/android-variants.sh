#!/usr/bin/env bash
# Lists the variants of the native library for an ABI: one that every phone of it runs, others for newer processors.
#
# Decides which processors have a variant of their own, and how llama.cpp is compiled for each. Kotlin chooses among
# them where the library is loaded, by the same names (LibraryVariant.kt; a test compares them).
# Usage: android-variants.sh ABI
# Prints one line for each, the baseline first: its name, its file, and the variables for llama.cpp's build script. Who
# changes those of a variant removes its folder in target/android/build, where CMake keeps what it was set up with.
set -euo pipefail

case ${1:?} in
    arm64-v8a)
        # Nothing but what Kotlin asks the processor for: armv8.6-a would let the compiler use more than i8mm.
        newer=armv8.2-a+fp16+dotprod
        echo "baseline libuhlm_ffi.so GGML_CPU_ARM_ARCH=armv8-a"
        echo "dotprod libuhlm_ffi_dotprod.so GGML_CPU_ARM_ARCH=$newer"
        echo "i8mm libuhlm_ffi_i8mm.so GGML_CPU_ARM_ARCH=$newer+i8mm"
        ;;
    armeabi-v7a)
        # llama.cpp's build script names the processor itself; the variable for 64-bit ones must not reach it.
        echo "baseline libuhlm_ffi.so"
        ;;
    x86_64)
        # The ABI promises SSE 4.2 and POPCNT. Each names what it does without, too: where ggml is not told, and
        # believes that it is compiled for the machine at hand, it takes all of that; and cargo runs a build script anew
        # for a variable that changes, not for one that was not there before.
        avx2='' none='GGML_AVX512=OFF GGML_AVX512_VNNI=OFF'
        for feature in AVX AVX2 BMI2 F16C FMA; do avx2="$avx2 GGML_$feature="; done
        echo "baseline libuhlm_ffi.so${avx2//=/=OFF} $none"
        echo "avx2 libuhlm_ffi_avx2.so${avx2//=/=ON} $none"
        ;;
    *)
        echo "no library is built for the ABI $1" >&2
        exit 1
        ;;
esac
