package dev.uhlm

/**
 * A variant of the native library: llama.cpp in it is compiled for processors that have certain features. They stand
 * from the best one to the baseline; `tools/android-variants.sh` lists them for the build.
 *
 * @property label its name in diagnostics and in the command that builds it.
 * @property architecture the processors that it is for, as JNA calls them; `null` for all.
 * @property features what a processor must have to run it, in the words of `/proc/cpuinfo`: all that the compiler was
 * allowed to use.
 */
internal enum class LibraryVariant(
    val label: String,
    private val architecture: String?,
    private val features: Set<String>,
) {
    I8MM("i8mm", "aarch64", ARMV8_2 + "asimddp" + "i8mm"),
    DOTPROD("dotprod", "aarch64", ARMV8_2 + "asimddp"),
    AVX2("avx2", "x86-64", setOf("avx", "avx2", "bmi2", "f16c", "fma")),
    BASELINE("baseline", null, emptySet());

    /** The name of the library, without what a system puts around it. */
    val library: String
        get() = if (this == BASELINE) "uhlm_ffi" else "uhlm_ffi_$label"

    companion object {
        /**
         * Returns the best variant that the processors can run and that is there.
         *
         * @param architecture that of this process, as JNA calls it.
         * @param cpuinfo the text of `/proc/cpuinfo`; without it the baseline is returned.
         * @param loads tells whether a library of this name can be loaded. It is not asked about the baseline: that is
         * the last resort, and whoever loads it tells why it cannot be.
         */
        fun choose(architecture: String, cpuinfo: String?, loads: (String) -> Boolean): LibraryVariant {
            val features = cpuinfo?.let(::sharedFeatures).orEmpty()
            return entries.first { variant ->
                variant == BASELINE ||
                    variant.architecture == architecture && features.containsAll(variant.features) &&
                    loads(variant.library)
            }
        }
    }
}

/** What the compiler may use of ARMv8.2-A with half precision. */
private val ARMV8_2 = setOf("crc32", "atomics", "asimdrdm", "fphp", "asimdhp")
