package dev.uhlm.conformance

import dev.uhlm.*
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime
import kotlin.time.measureTimedValue
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test

/** A verifier out of reach, under each policy. */
class OfflineTest : Conformance() {
    @Test
    fun offline_goes_on_alone() = testing {
        for (kind in listOf("resets", "blackhole")) {
            setWeather(kind)
            engine.openSession(weather, exact.copy(offline = OfflinePolicy.GoOn, link = impatient)).use { session ->
                val events = session.generate(facts.questions[0], short).toList()
                assertOrdered(events)
                assertContains(events.origins(), Origin.UNVERIFIED)
                val states = events.filterIsInstance<GenerationEvent.State>()
                assertTrue(states.any { it.link != LinkState.ONLINE && it.cause != null }, "$kind: $states")
            }
        }
    }

    @Test
    fun offline_waits_and_then_fails() = testing {
        setWeather("resets")
        val options = exact.copy(offline = OfflinePolicy.waitAtMost(2.seconds), link = impatient)
        engine.openSession(weather, options).use { session ->
            val (error, waited) = measureTimedValue {
                assertFailsAs(ErrorKind.Offline) { session.respond(facts.questions[0], short) }
            }
            assertTrue(error.retryable)
            assertEquals(Recovery.WAIT_FOR_NETWORK, error.recovery)
            assertTrue(waited >= 2.seconds, "after $waited")
        }
    }

    @Test
    fun offline_fails_at_once() = testing {
        setWeather("resets")
        engine.openSession(weather, exact.copy(offline = OfflinePolicy.Fail, link = impatient)).use { session ->
            val waited = measureTime {
                val error = assertFailsAs(ErrorKind.Offline) { session.respond(facts.questions[0], short) }
                assertTrue(error.retryable)
            }
            assertTrue(waited < patience, "after $waited")

            setWeather("clear")
            // The link counts as down until its pause is over.
            eventually({ "the session does not come back" }) {
                runBlocking { runCatching { session.respond(facts.questions[1], short) }.isSuccess }
            }
        }
    }
}
