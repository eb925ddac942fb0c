package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Test

/** Errors that an app acts on, each from its real cause. */
class ErrorConditionsTest : Conformance() {
    @Test
    fun a_missing_model_is_not_found() = testing {
        val error = assertFailsAs(ErrorKind.ModelNotFound) { UhlmEngine.load(ModelOptions(facts.missing)) }
        assertEquals(Recovery.PROVIDE_MODEL, error.recovery)
        assertFalse(error.retryable)
    }

    @Test
    fun a_damaged_model_is_refused() = testing {
        val error = assertFailsAs(ErrorKind.ModelDamaged) { UhlmEngine.load(ModelOptions(facts.damaged)) }
        assertEquals(Recovery.DOWNLOAD_AGAIN, error.recovery)
        assertFalse(error.retryable)
    }

    @Test
    fun another_vocabulary_is_refused() = testing {
        UhlmVerifier(facts.parrotServer).use { other ->
            engine.openSession(other, exact).use { session ->
                val seen = mutableListOf<GenerationEvent>()
                assertFailsAs(ErrorKind.VocabularyMismatch) {
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
            val refused = assertFailsAs(ErrorKind.Untrusted) { verifier.info(patience) }
            assertEquals(Recovery.CHECK_ENDPOINT, refused.recovery)
            engine.openSession(verifier, exact).use { session ->
                val error = assertFailsAs(ErrorKind.Untrusted) { session.respond(facts.questions[0], short) }
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
                val error = assertFailsAs(ErrorKind.Unauthorized) { session.respond(facts.questions[0], short) }
                assertEquals(Recovery.SIGN_IN, error.recovery)
            }
        }
        assertEquals(listOf(false, true), asked.toList())

        val renewed = TokenProvider { refresh -> if (refresh) facts.guardedToken else "stale" }
        UhlmVerifier(facts.guarded, renewed).use { verifier ->
            val reply = engine.openSession(verifier, exact).use { it.respond(facts.questions[0], short) }
            assertTrue(reply.text.isNotEmpty())
        }
    }

    @Test
    fun a_token_provider_that_throws_is_an_error_not_a_crash() = testing {
        suspend fun respond(offline: OfflinePolicy, provide: suspend () -> String) =
            UhlmVerifier(facts.guarded, TokenProvider { provide() }).use { verifier ->
                val session = engine.openSession(verifier, exact.copy(offline = offline))
                session.use { it.generate(facts.questions[0], short).toList() }
            }
        val denied = TokenException.Denied("signed out")
        val unavailable = TokenException.Unavailable("no network")
        assertFailsAs(ErrorKind.Unauthorized) { respond(OfflinePolicy.GoOn) { throw denied } }
        assertFailsAs(ErrorKind.Offline) { respond(OfflinePolicy.Fail) { throw unavailable } }
        assertFailsAs(ErrorKind.Offline) { respond(OfflinePolicy.Fail) { error("a fault of the app") } }
        assertContains(respond(OfflinePolicy.GoOn) { TODO() }.origins(), Origin.UNVERIFIED)
    }

    @Test
    fun what_a_token_provider_throws_is_not_repeated() = testing {
        val throwing = object : TokenProvider {
            override suspend fun token(refresh: Boolean): String = error("signed with ${facts.guardedToken}")
        }
        UhlmVerifier(facts.guarded, throwing).use { verifier ->
            engine.openSession(verifier, exact.copy(offline = OfflinePolicy.Fail)).use { session ->
                val error = assertFailsAs(ErrorKind.Offline) { session.respond(facts.questions[0], short) }
                assertFalse(facts.guardedToken in error.stackTraceToString(), error.reason)
            }
        }
    }

    @Test
    fun a_busy_server_is_not_out_of_reach() = testing {
        UhlmVerifier(facts.models.busyVerifier).use { verifier ->
            suspend fun open(offline: OfflinePolicy) = engine.openSession(verifier, exact.copy(offline = offline))
            val asked = assertFailsAs(ErrorKind.ServerBusy) { verifier.info(patience) }
            val replied = open(OfflinePolicy.Fail).use { session ->
                assertFailsAs(ErrorKind.ServerBusy) { session.respond(facts.questions[0], short) }
            }
            for (error in listOf(asked, replied)) {
                assertEquals(Recovery.TRY_AGAIN, error.recovery)
                assertTrue(error.retryable)
            }
            open(OfflinePolicy.GoOn).use { session ->
                val events = session.generate(facts.questions[0], short).toList()
                val states = events.filterIsInstance<GenerationEvent.State>()
                assertTrue(states.any { it.link != LinkState.ONLINE && it.cause == LinkCause.BUSY }, "$states")
                assertEquals(LinkCause.BUSY, session.status().cause)
            }
        }
    }
}
