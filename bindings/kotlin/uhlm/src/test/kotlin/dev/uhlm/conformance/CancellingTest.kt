package dev.uhlm.conformance

import dev.uhlm.*
import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.job
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test

/** Cancelling and closing at every moment, and what is left behind: nothing. */
class CancellingTest : Conformance() {
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
            val session = RecordingSession(heavyEngine.openSession(options = oneThread))
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
            val end = session.generations.single().events.lastOrNull() as? GenerationEvent.Finished
            session.shutDown()
            // A call that is cancelled while it brings the end takes that along: such an attempt says nothing.
            val statistics = end?.statistics ?: continue
            // Tokens within a frame of a display, 16 ms, are handed over together.
            val together = (0.016 * statistics.drafted.toDouble() / statistics.draftingSeconds).toLong()
            fewest = minOf(fewest, statistics.drafted.toLong() - drafted - together)
            if (fewest <= 1) break
        }
        assertTrue(fewest <= 1, "at least $fewest more tokens")

        // What was committed stands, in the text and in the conversation.
        val session = RecordingSession(engine.openSession(options = deviceOnly))
        fun hasText(event: GenerationEvent) = event is GenerationEvent.Committed && event.token.text.isNotEmpty()
        session.generate(facts.questions[0], long).first { hasText(it) }
        val events = session.generations.single().events
        val text = assertIs<GenerationEvent.Finished>(events.last()).text
        assertTrue(text.startsWith(events.committedText()), "${events.committedText()}, then $text")
        assertEquals(Message(Role.ASSISTANT, text), session.messages().last())
        session.shutDown()
    }

    @Test
    fun cancelling_during_a_verdict_stops() = testing {
        // No deadline of the link's own ends the wait within the patience of this test.
        // By the pace, a machine under load may find that the target is faster alone, and draft nothing.
        engine.openSession(weather, exact.copy(close = CloseRule.Fixed(4u))).use { session ->
            session.respond(facts.questions[0], short)
            Fixture.weather("stall")
            val drafted = CompletableDeferred<Unit>()
            val job = launch(Dispatchers.Default) {
                session.generate(facts.questions[1], long).collect {
                    if (it is GenerationEvent.Provisional) drafted.complete(Unit)
                }
            }
            drafted.await()
            // The window is closed and sent within this. If it is not, the cancel comes before the verdict, and must
            // stop, too.
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
    fun two_hundred_cycles_leave_nothing_behind() = testing {
        // Goes on where the verifier has not yet let go of the sessions before: what is written does not matter here.
        val options = exact.copy(offline = OfflinePolicy.GoOn)
        val shared = engine.openSession(server, options)
        suspend fun cycle(number: Int) {
            val question = facts.questions[number % facts.questions.size]
            shared.generate(question, long).first()
            shared.reset()
            engine.openSession(server, options).use { session ->
                session.generate(question, long).first { it is GenerationEvent.Committed }
            }
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
        val status = File("/proc/self/statm").takeIf { it.exists() }?.readText()
        val pages = status?.split(' ')?.get(1)?.toLong() ?: return 0
        return pages * 4096 / 1_000_000
    }
}
