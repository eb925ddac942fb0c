package dev.uhlm.demo.chat

import dev.uhlm.ErrorKind
import dev.uhlm.UhlmException
import dev.uhlm.demo.failed
import dev.uhlm.kind
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlinx.coroutines.test.runTest

class ContextTest {
    private val asked = mutableListOf<UInt>()

    /** A model on a device that has memory for a context of [fits] tokens. */
    private fun load(context: UInt, fits: UInt?): String {
        asked += context
        if (fits == null || context > fits) throw failed(ErrorKind.NotEnoughMemory(needed = 1uL, fits = fits))
        return "model"
    }

    @Test
    fun `a model is loaded with the longest context where that fits`() = runTest {
        assertEquals("model" to 4096u, withContextThatFits { load(it, fits = 9000u) })
        assertEquals(listOf(4096u), asked)
    }

    @Test
    fun `where memory is short a model is loaded with the context that fits`() = runTest {
        assertEquals("model" to 1500u, withContextThatFits { load(it, fits = 1500u) })
        assertEquals(listOf(4096u, 1500u), asked)
    }

    @Test
    fun `a model is not loaded where no conversation would fit`() = runTest {
        for (fits in listOf(511u, null)) {
            asked.clear()
            val failure = assertFailsWith<UhlmException> { withContextThatFits { load(it, fits) } }
            assertEquals(ErrorKind.NotEnoughMemory(1uL, fits), failure.kind)
            assertEquals(listOf(4096u), asked)
        }
    }
}
