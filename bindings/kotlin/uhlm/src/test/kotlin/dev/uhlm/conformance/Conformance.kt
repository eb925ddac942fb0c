package dev.uhlm.conformance

import dev.uhlm.Consent
import dev.uhlm.*
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.TestInstance

/**
 * What the tests of `tests/conformance.md` share. They have the names that they have there, and run against the real
 * library, the demo pair and a real verifier over HTTPS.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class Conformance {
    internal val facts = Fixture.facts
    protected val engine = runBlocking { UhlmEngine.load(ModelOptions(facts.draft)) }
    protected val heavyEngine: UhlmEngine by lazy { runBlocking { UhlmEngine.load(ModelOptions(facts.heavy)) } }
    protected val server = UhlmVerifier(facts.server)
    protected val weather = UhlmVerifier(facts.weather)

    protected val short = GenerationOptions(maxTokens = 96u)
    protected val long = GenerationOptions(maxTokens = 400u)
    protected val exact = options(Mode.EXACT)
    protected val deviceOnly = options(Mode.DEVICE_ONLY)

    /** Two threads that wait for each other are slow where others want the processors, too. */
    protected val oneThread = deviceOnly.copy(threads = 1u)

    /** At temperature 1 the two models disagree often enough for rollbacks. */
    protected val drawing = exact.copy(sampling = SamplingParams())

    /** Notices faults of the link within a second. */
    protected val impatient = LinkOptions.of(
        minDeadline = 100.milliseconds,
        maxDeadline = 500.milliseconds,
        backOff = 50.milliseconds,
        maxBackOff = 200.milliseconds,
    )

    /** Waits for verdicts however slow the machine is: a token that was not judged could be another one. */
    protected fun options(mode: Mode) = SessionOptions(
        mode = mode,
        sampling = SamplingParams(temperature = 0f),
        calibrationPath = facts.calibration,
        seed = 7uL,
        consent = Consent.CONVERSATION,
        offline = OfflinePolicy.waitAtMost(2.minutes),
        link = LinkOptions.of(minDeadline = 2.minutes, maxDeadline = 2.minutes),
    )

    @AfterEach
    fun clearWeather() = setWeather("clear")

    /** The link to the weather server from here on; `uhlm-fixture` knows the kinds. */
    protected fun setWeather(kind: String) {
        Fixture.weather(kind)
        weather.reconnect()
    }

    protected suspend fun <T> fresh(use: suspend UhlmSession.() -> T): T =
        engine.openSession(server, exact).use { it.use() }

    protected fun assertServerEmpty() = eventually({ "the server still has ${Fixture.metrics()}" }) {
        Fixture.metrics().run { sessions == 0L && sequences == 0L }
    }
}

/** Commits take from the front of the provisional tail, rollbacks empty it, and only the last event is `Finished`. */
internal fun assertOrdered(events: List<GenerationEvent>) {
    val tail = ArrayDeque<TokenText>()
    for ((index, event) in events.withIndex()) {
        when (event) {
            is GenerationEvent.Provisional -> tail += event.token
            is GenerationEvent.Committed -> tail.removeFirstOrNull()?.let { assertEquals(it.id, event.token.id) }
            is GenerationEvent.Reasoning -> tail.removeFirstOrNull()?.let { assertEquals(it.id, event.token.id) }
            is GenerationEvent.Rollback -> {
                assertEquals(tail.size, event.tokens.toInt())
                tail.clear()
            }
            is GenerationEvent.ToolCall, is GenerationEvent.ToolResult, is GenerationEvent.MalformedToolCall -> Unit
            is GenerationEvent.State -> Unit
            is GenerationEvent.Finished -> assertEquals(events.lastIndex, index)
        }
    }
    assertEquals(emptyList(), tail.toList())
    assertIs<GenerationEvent.Finished>(events.last())
}

/** No half of a character, and nothing in the place of one. */
internal fun assertWhole(text: String) {
    assertFalse('\uFFFD' in text, text)
    val encoded = text.toByteArray()
    assertEquals(text, encoded.decodeToString())
}
