package dev.uhlm

import java.io.File
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotEquals
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime
import kotlin.time.measureTimedValue
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.job
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance

/**
 * The behaviours of `tests/conformance.md`, under the names they have there: the real library, the demo pair and a real
 * verifier over HTTPS.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Suppress("ktlint:standard:function-naming")
class ConformanceTest {
    private val facts = Fixture.facts
    private val engine = runBlocking { UhlmEngine.load(ModelOptions(facts.draft)) }
    private val heavyEngine = lazy { runBlocking { UhlmEngine.load(ModelOptions(facts.heavy)) } }
    private val server = UhlmVerifier(facts.server)
    private val weather = UhlmVerifier(facts.weather)

    @AfterEach
    fun clearWeather() {
        Fixture.weather("clear")
        weather.reconnect()
    }

    @Test
    fun the_first_event_comes_before_the_end() = testing {
        heavyEngine.value.openSession(options = oneThread).use { session ->
            var events = 0
            var stillGenerating = false
            session.generate(Prompt.Raw("go"), GenerationOptions(maxTokens = 32u)).collect {
                if (events == 0) stillGenerating = session.status().generating
                events++
            }
            assertTrue(stillGenerating)
            assertEquals(33, events)
        }
    }

    @Test
    fun events_come_in_their_order() = testing {
        val allowed = mapOf(
            Mode.EXACT to setOf(Origin.VERIFIED, Origin.RESAMPLED, Origin.BONUS),
            Mode.OPPORTUNISTIC to setOf(Origin.DRAFT, Origin.VERIFIED, Origin.RESAMPLED, Origin.BONUS),
            Mode.DEVICE_ONLY to setOf(Origin.DRAFT),
            Mode.REMOTE_ONLY to setOf(Origin.BONUS),
        )
        for ((mode, origins) in allowed) {
            for (question in facts.questions.take(6)) {
                engine.openSession(server, options(mode)).use { session ->
                    val events = session.generate(question, short).toList()
                    assertOrdered(events)
                    assertTrue(origins.containsAll(events.origins()), "$mode: ${events.origins()}")
                }
            }
        }
    }

    @Test
    fun the_text_is_the_sum_of_the_commits() = testing {
        for (question in facts.questions.take(6)) {
            val events = fresh { generate(question, short).toList() }
            val whole = assertIs<GenerationEvent.Finished>(events.last()).text
            assertTrue(whole.isNotEmpty())
            assertEquals(whole, events.committedText())
            assertEquals(whole, fresh { generateText(question, short).toList() }.joinToString(""))
            assertEquals(whole, fresh { respond(question, short) }.text)
        }
    }

    @Test
    fun a_rollback_never_reaches_the_text_stream() = testing {
        var rollbacks = 0
        for (question in facts.questions) {
            val recording = RecordingSession(engine.openSession(server, drawing))
            val pieces = recording.generateText(question, short).toList()
            recording.shutDown()
            val events = recording.generations.single().events
            rollbacks += events.count { it is GenerationEvent.Rollback }
            assertOrdered(events)
            assertTrue(pieces.none { it.isEmpty() })
            assertEquals(events.committedText(), pieces.joinToString(""))
            assertEquals(assertIs<GenerationEvent.Finished>(events.last()).text, pieces.joinToString(""))
        }
        assertTrue(rollbacks > 0)
    }

    @Test
    fun cancelling_before_the_first_token_stops() = testing {
        engine.openSession(server, exact).use { session ->
            val job = launch(start = CoroutineStart.UNDISPATCHED) {
                session.generate(facts.questions[0], long).collect()
            }
            job.cancelAndJoin()
            assertFalse(session.status().generating)
            assertTrue(session.respond(facts.questions[1], short).text.isNotEmpty())
        }
    }

    @Test
    fun cancelling_at_the_first_token_stops() = testing {
        engine.openSession(server, exact).use { session ->
            val seen = mutableListOf<GenerationEvent>()
            val job = launch {
                session.generate(facts.questions[0], long).collect {
                    seen += it
                    if (it is GenerationEvent.Committed) coroutineContext.job.cancel()
                }
            }
            job.join()
            assertTrue(job.isCancelled)
            assertIs<GenerationEvent.Committed>(seen.last())
            assertFalse(session.status().generating)
            assertTrue(session.respond(facts.questions[1], short).text.isNotEmpty())
        }
    }

    @Test
    fun cancelling_later_stops_within_one_token() = testing {
        // Whether the collector's thread runs between two decode steps is up to the machine: one of many times must do.
        var fewest = Long.MAX_VALUE
        for (attempt in 1..40) {
            val session = RecordingSession(heavyEngine.value.openSession(options = oneThread))
            var drafted = 0
            val job = launch(Dispatchers.Default) {
                session.generate(Prompt.Raw("go"), long).collect {
                    drafted++
                    if (drafted == 10) coroutineContext.job.cancel()
                }
            }
            job.join()
            assertFalse(session.status().generating)
            assertEquals(10, drafted)
            fewest = minOf(fewest, session.generations.single().statistics.drafted.toLong() - drafted)
            session.shutDown()
            if (fewest <= 1) break
        }
        assertTrue(fewest <= 1, "at least $fewest more tokens")

        // What was committed stands, in the text and in the conversation.
        val session = RecordingSession(engine.openSession(options = deviceOnly))
        session.generate(facts.questions[0], long).first { it is GenerationEvent.Committed && it.token.text.isNotEmpty() }
        val committed = session.generations.single().events.last() as GenerationEvent.Finished
        assertTrue(committed.text.startsWith(session.generations.single().events.committedText().take(1)))
        assertEquals(Message(Role.ASSISTANT, committed.text), session.messages().last())
        session.shutDown()
    }

    @Test
    fun cancelling_during_a_verdict_stops() = testing {
        // No deadline of the link's own ends the wait within the patience of this test.
        val link = LinkOptions.of(minDeadline = 2.minutes, maxDeadline = 2.minutes)
        val options = exact.copy(link = link, offline = OfflinePolicy.waitAtMost(2.minutes))
        engine.openSession(weather, options).use { session ->
            session.respond(facts.questions[0], short)
            Fixture.weather("stall")
            val drafted = CompletableDeferred<Unit>()
            val job = launch(Dispatchers.Default) {
                session.generate(facts.questions[1], long).collect { if (it is GenerationEvent.Provisional) drafted.complete(Unit) }
            }
            drafted.await()
            // The window is closed and sent within this; if it is not, the cancel comes before the verdict, which must stop, too.
            Thread.sleep(300)
            assertTrue(session.status().generating)
            withTimeout(patience) { job.cancelAndJoin() }
            assertFalse(session.status().generating)
            Fixture.weather("clear")
            assertTrue(session.respond(facts.questions[2], short).text.isNotEmpty())
        }
    }

    @Test
    fun closing_while_generating_stops() = testing {
        // A reply may be over before the session is closed: that one does not count.
        var finish = FinishReason.END_OF_REPLY
        for (question in facts.questions) {
            val session = engine.openSession(server, exact)
            var last: GenerationEvent? = null
            session.generate(question, long).collect {
                last = it
                session.shutDown()
            }
            finish = assertIs<GenerationEvent.Finished>(last).finish
            session.close()
            if (finish == FinishReason.CANCELLED) break
        }
        assertEquals(FinishReason.CANCELLED, finish)
        assertServerEmpty()
    }

    @Test
    fun two_sessions_generate_at_once() = testing {
        val questions = facts.questions.take(8)
        val alone = questions.map { fresh { respond(it, short) }.text }
        val together = questions.map { question -> async(Dispatchers.Default) { fresh { respond(question, short) }.text } }
        assertEquals(alone, together.map { it.await() })
        assertNotEquals(alone[0], alone[1])

        // Interleaved: the second one runs from begin to end while the first one is held in the middle.
        engine.openSession(server, exact).use { held ->
            var inner = ""
            val text = StringBuilder()
            held.generateText(questions[0], short).collect {
                if (inner.isEmpty()) inner = fresh { respond(questions[1], short) }.text
                text.append(it)
            }
            assertEquals(alone.take(2), listOf(text.toString(), inner))
        }
    }

    @Test
    fun two_hundred_cycles_leave_nothing_behind() = testing {
        val shared = engine.openSession(server, exact)
        suspend fun cycle(number: Int) {
            val question = facts.questions[number % facts.questions.size]
            shared.generate(question, long).first()
            shared.reset()
            engine.openSession(server, exact).use { it.generate(question, long).first { event -> event is GenerationEvent.Committed } }
        }
        // Pools of threads and of memory, native code and its stacks: what is made once is made in these.
        repeat(50) { cycle(it) }
        settle()
        val threads = threads()
        val memory = residentMegabytes()
        repeat(200) { cycle(it) }
        shared.shutDown()
        eventually({ "$threads threads before, ${threads()} after" }) { threads() <= threads }
        System.gc()
        // A session's context alone is larger than a megabyte, a thread's stack is, too: leaking one a cycle were 200.
        val grown = residentMegabytes() - memory
        assertTrue(grown < 40, "$grown MB more after 200 cycles, $memory MB before")
        assertServerEmpty()
    }

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
        val wrong = facts.server.copy(trust = facts.guarded.trust.takeIf { it != facts.server.trust } ?: flipped(facts.server.trust))
        UhlmVerifier(wrong).use { verifier ->
            assertEquals(Recovery.CHECK_ENDPOINT, assertFailsWith<UhlmException.Untrusted> { verifier.info(patience) }.recovery)
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
        assertFailsWith<UhlmException.Unauthorized> { respond(OfflinePolicy.GoOn) { throw TokenException.Denied("signed out") } }
        assertFailsWith<UhlmException.Offline> { respond(OfflinePolicy.Fail) { throw TokenException.Unavailable("no network") } }
        assertFailsWith<UhlmException.Offline> { respond(OfflinePolicy.Fail) { error("a fault of the app") } }
        assertContains(respond(OfflinePolicy.GoOn) { TODO() }.origins(), Origin.UNVERIFIED)
    }

    @Test
    fun offline_goes_on_alone() = testing {
        for (kind in listOf("resets", "blackhole")) {
            Fixture.weather(kind)
            weather.reconnect()
            engine.openSession(weather, exact.copy(offline = OfflinePolicy.GoOn, link = impatient)).use { session ->
                val events = session.generate(facts.questions[0], short).toList()
                assertOrdered(events)
                assertContains(events.origins(), Origin.UNVERIFIED)
                val states = events.filterIsInstance<GenerationEvent.State>().map { it.link }
                assertTrue(states.any { it == LinkState.OFFLINE || it == LinkState.DEGRADED }, "$kind: $states")
            }
        }
    }

    @Test
    fun offline_waits_and_then_fails() = testing {
        Fixture.weather("resets")
        weather.reconnect()
        val options = exact.copy(offline = OfflinePolicy.waitAtMost(2.seconds), link = impatient)
        engine.openSession(weather, options).use { session ->
            val (error, waited) = measureTimedValue {
                assertFailsWith<UhlmException.Offline> { session.respond(facts.questions[0], short) }
            }
            assertTrue(error.retryable)
            assertEquals(Recovery.WAIT_FOR_NETWORK, error.recovery)
            assertTrue(waited >= 2.seconds, "after $waited")
        }
    }

    @Test
    fun offline_fails_at_once() = testing {
        Fixture.weather("resets")
        weather.reconnect()
        engine.openSession(weather, exact.copy(offline = OfflinePolicy.Fail, link = impatient)).use { session ->
            val waited = measureTime {
                val error = assertFailsWith<UhlmException.Offline> { session.respond(facts.questions[0], short) }
                assertTrue(error.retryable)
            }
            assertTrue(waited < patience, "after $waited")

            Fixture.weather("clear")
            weather.reconnect()
            // The link counts as down until its pause is over.
            eventually({ "the session does not come back" }) {
                runBlocking { runCatching { session.respond(facts.questions[1], short) }.isSuccess }
            }
        }
    }

    @Test
    fun split_characters_arrive_whole() = testing {
        UhlmEngine.load(ModelOptions(facts.parrot)).use { parrot ->
            suspend fun <T> parroting(use: suspend UhlmSession.() -> T) = parrot.openSession(options = deviceOnly).use { it.use() }
            val events = parroting { generate(Prompt.Raw("go"), short).toList() }
            val finished = assertIs<GenerationEvent.Finished>(events.last())
            assertEquals(facts.parrotText, finished.text)
            assertEquals(FinishReason.END_OF_REPLY, finished.finish)
            assertEquals(facts.parrotText, events.committedText())
            val tokens = events.filterIsInstance<GenerationEvent.Committed>().map { it.token.text }
            assertTrue(tokens.any { it.isEmpty() }, "no token ends inside a character")
            val pieces = parroting { generateText(Prompt.Raw("go"), short).toList() }
            assertEquals(facts.parrotText, pieces.joinToString(""))
            for (piece in tokens + pieces) assertWhole(piece)
        }
    }

    @Test
    fun use_after_close_is_an_error() = testing {
        val session = engine.openSession(server, exact)
        val updates = session.statusUpdates()
        assertEquals(session.status(), updates.next())
        session.shutDown()
        session.shutDown()
        assertEquals(null, updates.next())
        assertFailsWith<UhlmException.SessionClosed> { session.start(Prompt.Chat("?")) }
        assertFailsWith<UhlmException.SessionClosed> { session.generate("?").collect() }
        assertFailsWith<UhlmException.SessionClosed> { session.generateText("?").collect() }
        assertFailsWith<UhlmException.SessionClosed> { session.respond("?") }
        assertFailsWith<UhlmException.SessionClosed> { session.messages() }
        assertFailsWith<UhlmException.SessionClosed> { session.setMessages(emptyList()) }
        assertFailsWith<UhlmException.SessionClosed> { session.reset() }
        assertFailsWith<UhlmException.SessionClosed> { session.status() }
        assertFailsWith<UhlmException.SessionClosed> { session.statusFlow().collect() }
        assertFailsWith<UhlmException.SessionClosed> { session.saveCalibration("unused") }
        assertFailsWith<UhlmException.SessionClosed> { session.statusUpdates() }
        session.close()
        session.close()
    }

    private val short = GenerationOptions(maxTokens = 96u)
    private val long = GenerationOptions(maxTokens = 400u)
    private val exact = options(Mode.EXACT)
    private val deviceOnly = options(Mode.DEVICE_ONLY)

    /** Two threads that wait for each other are slow where others want the processors, too. */
    private val oneThread = deviceOnly.copy(threads = 1u)

    /** At temperature 1 the two models disagree often enough for rollbacks. */
    private val drawing = SessionOptions(mode = Mode.EXACT, calibrationPath = facts.calibration, seed = 7uL)

    /** Notices faults of the link within a second. */
    private val impatient = LinkOptions.of(
        minDeadline = 100.milliseconds, maxDeadline = 500.milliseconds, backOff = 50.milliseconds, maxBackOff = 200.milliseconds,
    )

    private fun options(mode: Mode) = SessionOptions(
        mode = mode,
        sampling = SamplingParams(temperature = 0f),
        calibrationPath = facts.calibration,
        seed = 7uL,
    )

    private suspend fun <T> fresh(use: suspend UhlmSession.() -> T): T =
        engine.openSession(server, exact).use { it.use() }

    private fun assertServerEmpty() {
        eventually({ "the server still has ${Fixture.metrics()}" }) { Fixture.metrics().run { sessions == 0L && sequences == 0L } }
    }

    /** Threads end and pages are given back a little after what they were for. */
    private fun settle() {
        System.gc()
        var last = threads()
        eventually({ "the threads never rest" }) {
            Thread.sleep(500)
            val now = threads()
            (now == last).also { last = now }
        }
    }

    private fun threads(): Int = File("/proc/self/task").list()?.size ?: Thread.activeCount()

    private fun residentMegabytes(): Long {
        val pages = File("/proc/self/statm").takeIf { it.exists() }?.readText()?.split(' ')?.get(1)?.toLong() ?: return 0
        return pages * 4096 / 1_000_000
    }

    private fun flipped(trust: TrustPolicy?): TrustPolicy {
        val digest = assertIs<TrustPolicy.Fingerprint>(trust).sha256
        return TrustPolicy.Fingerprint((if (digest[0] == '0') '1' else '0') + digest.drop(1))
    }
}

/** Commits take from the front of the provisional tail, rollbacks empty it, and the last event is the only `Finished`. */
internal fun assertOrdered(events: List<GenerationEvent>) {
    val tail = ArrayDeque<TokenText>()
    for ((index, event) in events.withIndex()) {
        when (event) {
            is GenerationEvent.Provisional -> tail += event.token
            is GenerationEvent.Committed -> tail.removeFirstOrNull()?.let { assertEquals(it.id, event.token.id) }
            is GenerationEvent.Rollback -> {
                assertEquals(tail.size, event.tokens.toInt())
                tail.clear()
            }
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
