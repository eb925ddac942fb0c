package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Test

/** Errors that an app acts on, each from its real cause. */
class ErrorConditionsTest : Conformance() {
    @Test
    fun a_missing_model_is_not_found() = testing {
        val error = assertFailsWith<UhlmException.ModelNotFound> { UhlmEngine.load(ModelOptions(facts.missing)) }
        assertEquals(Recovery.PROVIDE_MODEL, error.recovery)
        assertFalse(error.retryable)
    }

    @Test
    fun a_damaged_model_is_refused() = testing {
        val error = assertFailsWith<UhlmException.ModelDamaged> { UhlmEngine.load(ModelOptions(facts.damaged)) }
        assertEquals(Recovery.DOWNLOAD_AGAIN, error.recovery)
        assertFalse(error.retryable)
    }

    @Test
    fun another_vocabulary_is_refused() = testing {
        UhlmVerifier(facts.parrotServer).use { other ->
            engine.openSession(other, exact).use { session ->
                val seen = mutableListOf<GenerationEvent>()
                assertFailsWith<UhlmException.VocabularyMismatch> {
                    session.generate(facts.questions[0], short).collect { seen += it }
                }
                assertTrue(seen.none { it is GenerationEvent.Committed }, "$seen")
            }
        }
    }

    @Test
    fun a_wrong_certificate_is_refused() = testing {
        val right = assertIs<TrustPolicy.Fingerprint>(facts.server.trust).sha256
        val wrong = TrustPolicy.Fingerprint((if (right[0] == '0') '1' else '0') + right.drop(1))
        UhlmVerifier(facts.server.copy(trust = wrong)).use { verifier ->
            val refused = assertFailsWith<UhlmException.Untrusted> { verifier.info(patience) }
            assertEquals(Recovery.CHECK_ENDPOINT, refused.recovery)
            engine.openSession(verifier, exact).use { session ->
                val error = assertFailsWith<UhlmException.Untrusted> { session.respond(facts.questions[0], short) }
                assertEquals(Recovery.CHECK_ENDPOINT, error.recovery)
                assertFalse(error.retryable)
            }
        }
    }

    @Test
    fun a_refused_token_is_unauthorized() = testing {
        val asked = mutableListOf<Boolean>()
        val wrong = TokenProvider { refresh ->
            asked += refresh
            "stale"
        }
        UhlmVerifier(facts.guarded, wrong).use { verifier ->
            engine.openSession(verifier, exact).use { session ->
                val error = assertFailsWith<UhlmException.Unauthorized> { session.respond(facts.questions[0], short) }
                assertEquals(Recovery.SIGN_IN, error.recovery)
            }
        }
        assertEquals(listOf(false, true), asked.toList())

        val renewed = TokenProvider { refresh -> if (refresh) facts.guardedToken else "stale" }
        UhlmVerifier(facts.guarded, renewed).use { verifier ->
            engine.openSession(verifier, exact).use { assertTrue(it.respond(facts.questions[0], short).text.isNotEmpty()) }
        }
    }

    @Test
    fun a_token_provider_that_throws_is_an_error_not_a_crash() = testing {
        suspend fun respond(offline: OfflinePolicy, provide: suspend () -> String) =
            UhlmVerifier(facts.guarded, TokenProvider { provide() }).use { verifier ->
                engine.openSession(verifier, exact.copy(offline = offline)).use { it.generate(facts.questions[0], short).toList() }
            }
        val denied = TokenException.Denied("signed out")
        val unavailable = TokenException.Unavailable("no network")
        assertFailsWith<UhlmException.Unauthorized> { respond(OfflinePolicy.GoOn) { throw denied } }
        assertFailsWith<UhlmException.Offline> { respond(OfflinePolicy.Fail) { throw unavailable } }
        assertFailsWith<UhlmException.Offline> { respond(OfflinePolicy.Fail) { error("a fault of the app") } }
        assertContains(respond(OfflinePolicy.GoOn) { TODO() }.origins(), Origin.UNVERIFIED)
    }
}
