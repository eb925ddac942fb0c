package dev.uhlm

import kotlin.test.assertEquals
import org.junit.jupiter.api.Test

class ErrorsTest {
    private val all: List<UhlmException> = listOf(
        UhlmException.ModelNotFound("0", true, Recovery.PROVIDE_MODEL),
        UhlmException.ModelDamaged("1", false, Recovery.DOWNLOAD_AGAIN),
        UhlmException.ModelUnsupported("2", true, Recovery.CHOOSE_ANOTHER_MODEL),
        UhlmException.InvalidOptions("3", false, Recovery.FIX_OPTIONS),
        UhlmException.PromptTooLong("4", true, Recovery.SHORTEN_PROMPT, 9u, 8u),
        UhlmException.Busy("5", false, Recovery.TRY_AGAIN),
        UhlmException.SessionClosed("6", true, Recovery.OPEN_AGAIN),
        UhlmException.VocabularyMismatch("7", false, Recovery.CHOOSE_ANOTHER_MODEL),
        UhlmException.Unauthorized("8", true, Recovery.SIGN_IN),
        UhlmException.Untrusted("9", false, Recovery.CHECK_ENDPOINT),
        UhlmException.Offline("10", true, Recovery.WAIT_FOR_NETWORK),
        UhlmException.Refused("11", false, Recovery.CHECK_ENDPOINT),
        UhlmException.EngineFailed("12", true, Recovery.FREE_MEMORY),
        UhlmException.LoadCancelled("13", false, Recovery.NONE),
    )

    @Test
    fun `what all errors have can be read without knowing which it is`() {
        assertEquals(List(all.size) { "$it" }, all.map { it.reason })
        assertEquals(List(all.size) { it % 2 == 0 }, all.map { it.retryable })
        val kinds = UhlmException::class.java.declaredClasses.filter { UhlmException::class.java.isAssignableFrom(it) }
        assertEquals(kinds.toSet(), all.map { it.javaClass }.toSet<Class<*>>())
        assertEquals(Recovery.SHORTEN_PROMPT, all[4].recovery)
        assertEquals(Recovery.WAIT_FOR_NETWORK, all[10].recovery)
        assertEquals(Recovery.NONE, all[13].recovery)
    }
}
