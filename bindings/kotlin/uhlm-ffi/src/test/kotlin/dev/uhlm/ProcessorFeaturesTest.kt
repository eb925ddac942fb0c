package dev.uhlm

import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test

class ProcessorFeaturesTest {
    @Test
    fun `the features of a processor are the words of its line`() {
        val features = setOf("fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32")
        assertEquals(features, sharedFeatures(Processors.CORTEX_A53))
        assertTrue("asimddp" in sharedFeatures(Processors.SNAPDRAGON_855))
        assertTrue("i8mm" in sharedFeatures(Processors.TENSOR_G3))
        assertTrue("avx2" in sharedFeatures(Processors.X86_64_AVX2))
    }

    @Test
    fun `of processors that differ only what all have counts`() {
        val shared = sharedFeatures(Processors.MIXED)
        assertEquals(sharedFeatures(Processors.SNAPDRAGON_855), shared)
        assertFalse("i8mm" in shared)
        assertEquals(emptySet(), sharedFeatures("Features\t: fp asimd\n\nFeatures\t:\n"))
    }

    @Test
    fun `other lines are not read`() {
        assertFalse("vnmi" in sharedFeatures(Processors.X86_64))
        assertEquals(setOf("sse"), sharedFeatures("vmx flags : vnmi\nflags : sse\npower management: flags\n"))
    }

    @Test
    fun `a text without features has none`() {
        for (text in listOf("", "\n\n", "Features", "flags :", ": asimddp", "no such file", "\u0000\uFFFD:\r\n:")) {
            assertEquals(emptySet(), sharedFeatures(text), text)
        }
    }
}
