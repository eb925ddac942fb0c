package dev.uhlm

import kotlin.test.assertEquals
import org.junit.jupiter.api.Test

class ErrorsTest {
    private val errors: List<UhlmException> = listOf(
        UhlmException.ModelNotFound("0", true, Recovery.PROVIDE_MODEL),
        UhlmException.ModelDamaged("1", false, Recovery.DOWNLOAD_AGAIN),
        UhlmException.ModelUnsupported("2", true, Recovery.CHOOSE_ANOTHER_MODEL),
        UhlmException.InvalidOptions("3", false, Recovery.FIX_OPTIONS),
        UhlmException.PromptTooLong("4", true, Recovery.SHORTEN_PROMPT, 9u, 8u),
        UhlmException.Busy("5", false, Recovery.TRY_AGAIN),
        UhlmException.SessionClosed("6", true, Recovery.OPEN_AGAIN),
        UhlmException.ConsentRequired("7", false, Recovery.ASK_FOR_CONSENT, 3u),
        UhlmException.NotEnoughMemory("8", true, Recovery.FREE_MEMORY, 9u, null),
        UhlmException.VocabularyMismatch("9", false, Recovery.CHOOSE_ANOTHER_MODEL),
        UhlmException.Unauthorized("10", true, Recovery.SIGN_IN),
        UhlmException.Untrusted("11", false, Recovery.CHECK_ENDPOINT),
        UhlmException.Offline("12", true, Recovery.WAIT_FOR_NETWORK),
        UhlmException.Refused("13", false, Recovery.CHECK_ENDPOINT),
        UhlmException.EngineFailed("14", true, Recovery.FREE_MEMORY),
        UhlmException.LoadCancelled("15", false, Recovery.NONE),
    )
    private val storeErrors: List<ModelStoreException> = listOf(
        ModelStoreException.InvalidRequest("0", true, Recovery.FIX_OPTIONS),
        ModelStoreException.Metered("1", false, Recovery.WAIT_FOR_NETWORK),
        ModelStoreException.AlreadyRunning("2", true, Recovery.TRY_AGAIN),
        ModelStoreException.DiskFull("3", false, Recovery.FREE_STORAGE),
        ModelStoreException.Storage("4", true, Recovery.TRY_AGAIN),
        ModelStoreException.Network("5", false, Recovery.WAIT_FOR_NETWORK),
        ModelStoreException.Untrusted("6", true, Recovery.CHECK_ENDPOINT),
        ModelStoreException.Unauthorized("7", false, Recovery.SIGN_IN),
        ModelStoreException.NotFound("8", true, Recovery.PROVIDE_MODEL),
        ModelStoreException.Corrupt("9", false, Recovery.DOWNLOAD_AGAIN),
        ModelStoreException.Cancelled("10", true, Recovery.NONE),
    )

    @Test
    fun `what all errors have can be read without knowing which it is`() {
        assertEquals(List(errors.size) { "$it" to (it % 2 == 0) }, errors.map { it.reason to it.retryable })
        assertEquals(List(storeErrors.size) { "$it" to (it % 2 == 0) }, storeErrors.map { it.reason to it.retryable })
        assertEquals(Recovery.SHORTEN_PROMPT, errors[4].recovery)
        assertEquals(Recovery.ASK_FOR_CONSENT, errors[7].recovery)
        assertEquals(Recovery.FREE_STORAGE, storeErrors[3].recovery)
    }

    @Test
    fun `these are all errors that there are`() {
        fun kinds(of: Class<*>) = of.declaredClasses.filter { of.isAssignableFrom(it) }.toSet()
        assertEquals(kinds(UhlmException::class.java), errors.map { it.javaClass }.toSet<Class<*>>())
        assertEquals(kinds(ModelStoreException::class.java), storeErrors.map { it.javaClass }.toSet<Class<*>>())
    }
}
