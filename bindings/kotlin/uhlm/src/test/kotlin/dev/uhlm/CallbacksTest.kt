package dev.uhlm

import kotlin.coroutines.cancellation.CancellationException
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertSame
import kotlin.test.assertTrue
import kotlinx.coroutines.test.runTest
import org.junit.jupiter.api.Test

/** What an app lends to the library: a token provider, a log sink, the progress of a load. */
class CallbacksTest {
    @Test
    fun `the token provider passes the question and the answer on`() = runTest {
        val provider = TokenProvider { refresh -> "token, refresh $refresh" }
        assertEquals("token, refresh false", provider.token(refresh = false))
        assertEquals("token, refresh true", provider.token(refresh = true))
    }

    @Test
    fun `the token provider's own errors pass unchanged`() = runTest {
        val denied = TokenException.Denied("signed out")
        assertSame(denied, assertFailsWith<TokenException.Denied> { TokenProvider { throw denied }.token(false) })
    }

    @Test
    fun `whatever else a token provider throws is unavailable and its message stays with the app`() = runTest {
        for (thrown in listOf(IllegalStateException("secret"), NotImplementedError("secret"))) {
            val error = assertFailsWith<TokenException.Unavailable> { TokenProvider { throw thrown }.token(false) }
            assertTrue(thrown.javaClass.name in error.reason, error.reason)
            assertFalse("secret" in error.reason, error.reason)
        }
    }

    @Test
    fun `a cancelled token provider stays cancelled`() = runTest {
        assertFailsWith<CancellationException> { TokenProvider { throw CancellationException() }.token(false) }
    }

    @Test
    fun `a log sink that throws loses its line and no other`() {
        val lines = mutableListOf<String>()
        val sink = GuardedSink { level, target, line ->
            check(line != "bad")
            lines += "$level $target $line"
        }
        for (line in listOf("one", "bad", "two")) sink.log(LogLevel.WARN, "uhlm", line)
        assertEquals(listOf("WARN uhlm one", "WARN uhlm two"), lines)
    }

    @Test
    fun `progress that throws ends the load and is asked no more`() {
        var asked = 0
        val progress = GuardedProgress { share ->
            asked++
            check(share < 0.5f) { "enough" }
            true
        }
        assertTrue(progress.loaded(0.25f))
        assertFalse(progress.loaded(0.5f))
        assertFalse(progress.loaded(0.75f))
        assertEquals(2, asked)
        assertEquals("enough", progress.failure?.message)
    }
}
