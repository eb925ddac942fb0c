package dev.uhlm

import java.util.concurrent.CopyOnWriteArrayList
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlin.time.Duration
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test

/** What closing, loading and logging do in the real library. */
class LifecycleTest {
    private val facts = Fixture.facts

    /** Greedy, so that the random model does not happen to end its reply. */
    private val options =
        SessionOptions(mode = Mode.DEVICE_ONLY, sampling = SamplingParams(temperature = 0f), threads = 1u)

    @Test
    fun `use ends the session although a generation and a status collector are still there`() = testing {
        UhlmEngine.load(ModelOptions(facts.heavy)).use { engine ->
            lateinit var generation: UhlmGeneration
            val watcher = engine.openSession(options = options).use { session ->
                generation = session.start(Prompt.Raw("go"), GenerationOptions(maxTokens = 4000u))
                val watcher = launch(Dispatchers.Default) { session.statusFlow().collect() }
                val watched = session.statusIn(this)
                watched.first { it.generating }
                generation.nextEvents()
                watcher
            }
            withTimeout(patience) {
                watcher.join()
                var last: GenerationEvent? = null
                while (true) last = generation.nextEvents().lastOrNull() ?: break
                assertEquals(FinishReason.CANCELLED, (last as GenerationEvent.Finished).finish)
            }
            generation.close()
        }
    }

    @Test
    fun `the status follows a generation`() = testing {
        UhlmEngine.load(ModelOptions(facts.heavy)).use { engine ->
            engine.openSession(options = options).use { session ->
                val state = session.statusIn(this)
                assertEquals(SessionStatus(generating = false, link = LinkState.ONLINE), state.value)
                val job = launch(Dispatchers.Default) {
                    session.generate(Prompt.Raw("go"), GenerationOptions(maxTokens = 4000u)).collect()
                }
                withTimeout(patience) {
                    state.first { it.generating }
                    job.cancel()
                    state.first { !it.generating }
                }
            }
        }
    }

    @Test
    fun `the progress of a load is reported and can end it`() = testing {
        val shares = CopyOnWriteArrayList<Float>()
        UhlmEngine.load(ModelOptions(facts.heavy)) { shares.add(it) }.close()
        assertTrue(shares.isNotEmpty() && shares.all { it in 0f..1f } && shares == shares.sorted(), "$shares")
        assertFailsAs(ErrorKind.Cancelled) { UhlmEngine.load(ModelOptions(facts.heavy)) { false } }
        val thrown = assertFailsWith<IllegalStateException> {
            UhlmEngine.load(ModelOptions(facts.heavy)) { error("no more") }
        }
        assertEquals("no more", thrown.message)
    }

    @Test
    fun `a duration that is none is an invalid option`() = testing {
        UhlmEngine.load(ModelOptions(facts.draft)).use { engine ->
            val endless = options.copy(offline = OfflinePolicy.waitAtMost(Duration.INFINITE))
            val error = assertFailsAs(ErrorKind.InvalidOptions) { engine.openSession(options = endless) }
            assertEquals(Recovery.FIX_OPTIONS, error.recovery)
            assertEquals(recoveryHint(Recovery.FIX_OPTIONS), error.hint)
        }
    }
}
