package dev.uhlm

import dev.uhlm.LibraryVariant.AVX2
import dev.uhlm.LibraryVariant.BASELINE
import dev.uhlm.LibraryVariant.DOTPROD
import dev.uhlm.LibraryVariant.I8MM
import java.io.File
import kotlin.test.assertEquals
import org.junit.jupiter.api.Test

class LibraryVariantTest {
    private fun chosen(architecture: String, cpuinfo: String?) = LibraryVariant.choose(architecture, cpuinfo) { true }

    @Test
    fun `a processor gets the best variant that it can run`() {
        assertEquals(BASELINE, chosen("aarch64", Processors.CORTEX_A53))
        assertEquals(BASELINE, chosen("aarch64", Processors.SNAPDRAGON_845))
        assertEquals(DOTPROD, chosen("aarch64", Processors.SNAPDRAGON_855))
        assertEquals(I8MM, chosen("aarch64", Processors.TENSOR_G3))
        assertEquals(BASELINE, chosen("x86-64", Processors.X86_64))
        assertEquals(BASELINE, chosen("x86-64", Processors.X86_64_AVX))
        assertEquals(AVX2, chosen("x86-64", Processors.X86_64_AVX2))
    }

    @Test
    fun `one processor of several decides if it can do less`() {
        assertEquals(DOTPROD, chosen("aarch64", Processors.MIXED))
        assertEquals(BASELINE, chosen("aarch64", Processors.TENSOR_G3 + Processors.CORTEX_A53))
    }

    @Test
    fun `every feature that the compiler used must be there`() {
        for (feature in listOf("avx", "avx2", "bmi2", "f16c", "fma")) {
            assertEquals(BASELINE, chosen("x86-64", Processors.X86_64_AVX2.replace(" $feature ", " ")), feature)
        }
        for (feature in listOf("crc32", "atomics", "asimdrdm", "fphp", "asimdhp", "asimddp")) {
            assertEquals(BASELINE, chosen("aarch64", Processors.TENSOR_G3.replace(" $feature ", " ")), feature)
        }
    }

    @Test
    fun `the process decides, not the processor`() {
        for (architecture in listOf("arm", "armv7l", "armv8l", "x86", "ppc64le", "")) {
            for (cpuinfo in listOf(Processors.TENSOR_G3, Processors.X86_64_AVX2)) {
                assertEquals(BASELINE, chosen(architecture, cpuinfo), architecture)
            }
        }
        // A process that the system translates from one architecture to the other.
        assertEquals(BASELINE, chosen("aarch64", Processors.X86_64_AVX2))
        assertEquals(BASELINE, chosen("x86-64", Processors.TENSOR_G3))
    }

    @Test
    fun `where nothing is known of the processors the baseline is taken`() {
        for (architecture in listOf("aarch64", "x86-64")) {
            for (cpuinfo in listOf(null, "", "no such file", "Features\t: ")) {
                assertEquals(BASELINE, chosen(architecture, cpuinfo), cpuinfo)
            }
        }
    }

    @Test
    fun `a variant that is missing is passed over`() {
        val asked = mutableListOf<String>()
        fun chosen(architecture: String, cpuinfo: String, vararg there: String) =
            LibraryVariant.choose(architecture, cpuinfo) { library -> library.also { asked += it } in there }

        assertEquals(DOTPROD, chosen("aarch64", Processors.TENSOR_G3, "uhlm_ffi_dotprod"))
        assertEquals(listOf("uhlm_ffi_i8mm", "uhlm_ffi_dotprod"), asked)
        assertEquals(BASELINE, chosen("aarch64", Processors.TENSOR_G3))
        assertEquals(BASELINE, chosen("x86-64", Processors.X86_64_AVX2))
        asked.clear()
        // What the processor cannot run is not even looked for: loading it could end the process.
        assertEquals(BASELINE, chosen("aarch64", Processors.CORTEX_A53, "uhlm_ffi_i8mm", "uhlm_ffi_dotprod"))
        assertEquals(emptyList(), asked)
    }

    @Test
    fun `the variants are those that the Android build makes`() {
        val script = File(System.getProperty("uhlm.repository"), "tools/android-variants.sh").path
        val made = listOf("arm64-v8a", "armeabi-v7a", "x86_64").flatMap { abi ->
            val process = ProcessBuilder(script, abi).redirectError(ProcessBuilder.Redirect.INHERIT).start()
            val lines = process.inputReader().readLines()
            assertEquals(0, process.waitFor())
            lines.map { it.split(' ').take(2) }
        }
        val lookedFor = LibraryVariant.entries.map { listOf(it.label, "lib${it.library}.so") }
        assertEquals(lookedFor.toSet(), made.toSet())
    }
}
