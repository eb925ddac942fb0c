package dev.uhlm

import kotlin.test.assertEquals
import org.junit.jupiter.api.Test

class ErrorsTest {
    private val tooLong = ErrorKind.PromptTooLong(tokens = 9u, reply = 2u, capacity = 8u)
    private val error: UhlmException =
        UhlmException.Failed(tooLong, "9 of 8", retryable = true, Recovery.SHORTEN_PROMPT)

    @Test
    fun `the fields of an error can be read from the type that is caught`() {
        assertEquals(tooLong, error.kind)
        assertEquals("9 of 8", error.reason)
        assertEquals(true, error.retryable)
        assertEquals(Recovery.SHORTEN_PROMPT, error.recovery)
    }

    @Test
    fun `an error has one case`() {
        val cases = UhlmException::class.java.declaredClasses.filter { UhlmException::class.java.isAssignableFrom(it) }
        assertEquals(listOf<Class<*>>(UhlmException.Failed::class.java), cases)
    }

    @Test
    fun `what is logged of an error names what failed and why`() {
        assertEquals(true, "9 of 8" in error.toString() && "PromptTooLong" in error.toString(), "$error")
    }
}
