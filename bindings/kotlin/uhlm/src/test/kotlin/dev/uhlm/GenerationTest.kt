package dev.uhlm

import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit.SECONDS
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.async
import kotlinx.coroutines.cancel
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Test

/** What `generate`, `generateText` and `respond` add to a generation, with the generation played by the test. */
class GenerationTest {
    private val whole: Array<List<GenerationEvent>> = arrayOf(
        listOf(provisional("One"), provisional(" too")),
        listOf(committed("One"), GenerationEvent.Rollback(1u), committed("", Origin.TARGET), committed(" two")),
        listOf(finished("One two", reasoning = "Two words.")),
    )

    @Test
    fun `events come as they were given and the handle is closed after the end`() = runTest {
        val generation = FakeGeneration(*whole)
        assertEquals(whole.toList().flatten(), FakeSession { generation }.generate("Count").toList())
        assertEquals(listOf("end", "close"), generation.log)
    }

    @Test
    fun `a flow is cold and each collection starts a generation of its own`() = runTest {
        val session = FakeSession(*whole)
        val options = GenerationOptions(maxTokens = 7u)
        val flow = session.generate(Prompt.Raw("1 2"), options)
        assertEquals(0, session.started.size)
        flow.toList()
        flow.toList()
        val asked: Pair<Prompt, GenerationOptions> = Prompt.Raw("1 2") to options
        assertEquals(listOf(asked, asked), session.started)
    }

    @Test
    fun `a text prompt is the next message of the conversation`() = runTest {
        val session = FakeSession(*whole)
        session.generate("a").toList()
        session.generateText("b").toList()
        session.respond("c")
        val prompts = listOf<Prompt>(Prompt.Chat("a"), Prompt.Chat("b"), Prompt.Chat("c"))
        assertEquals(prompts, session.started.map { it.first })
    }

    @Test
    fun `the text stream has the committed pieces that are not empty and nothing else`() = runTest {
        assertEquals(listOf("One", " two"), FakeSession(*whole).generateText("Count").toList())
    }

    @Test
    fun `the response is what the last event says`() = runTest {
        val response = FakeSession(*whole).respond("Count")
        assertEquals(GenerationResult("One two", "Two words.", FinishReason.END_OF_REPLY, statistics), response)
    }

    @Test
    fun `a generation that ends without its last event is one whose session is gone`() = runTest {
        assertFailsAs(ErrorKind.SessionClosed) { FakeSession(emptyList()).respond("Count") }
    }

    @Test
    fun `an error of the start reaches the collector`() = runTest {
        val session = FakeSession { throw offline() }
        assertFailsAs(ErrorKind.Offline) { session.generate("Count").toList() }
    }

    @Test
    fun `an error in the middle reaches the collector after what came before it and the handle is closed`() = runTest {
        val generation = object : FakeGeneration(listOf(committed("One"))) {
            override suspend fun nextEvents() = if (pulled.get() == 0) super.nextEvents() else throw offline()
        }
        val seen = mutableListOf<GenerationEvent>()
        assertFailsAs(ErrorKind.Offline) { FakeSession { generation }.generate("Count").collect { seen += it } }
        assertEquals(listOf<GenerationEvent>(committed("One")), seen)
        assertEquals("close", generation.log.last())
    }

    @Test
    fun `the next events are pulled only when the collector has taken the last ones`() = runTest {
        val generation = FakeGeneration(*whole)
        val pulledAt = mutableListOf<Int>()
        FakeSession { generation }.generate("Count").collect {
            yield()
            pulledAt += generation.pulled.get()
        }
        assertEquals(listOf(1, 1, 2, 2, 2, 2, 3), pulledAt)
    }

    @Test
    fun `cancelling stops the models before cancel returns although the collector's thread is busy`() {
        val executor = Executors.newSingleThreadExecutor()
        executor.asCoroutineDispatcher().use { dispatcher ->
            runBlocking {
                val generation = FakeGeneration(listOf(committed("One")))
                val seen = CompletableDeferred<Unit>()
                val job = launch(dispatcher) {
                    FakeSession { generation }.generate("Count").collect { seen.complete(Unit) }
                }
                seen.await()
                val busy = CountDownLatch(1)
                val isBusy = CountDownLatch(1)
                executor.execute { isBusy.countDown(); busy.await() }
                isBusy.await()
                job.cancel()
                val atOnce = generation.log.toList()
                busy.countDown()
                assertEquals(listOf("cancel"), atOnce)
                job.join()
                assertEquals("close", generation.log.last())
            }
            executor.shutdown()
            assertTrue(executor.awaitTermination(20, SECONDS))
        }
    }

    @Test
    fun `a cancelled collection ends only when the generation has ended`() = runTest {
        val generation = FakeGeneration(listOf(committed("One")))
        val session = FakeSession { generation }
        val job = launch(start = CoroutineStart.UNDISPATCHED) { session.generate("Count").collect {} }
        job.cancelAndJoin()
        assertEquals(listOf("end", "close"), generation.log.filterNot { it == "cancel" })
        assertEquals("cancel", generation.log.first())
    }

    @Test
    fun `a collector that throws stops the models and gets its own exception back`() = runTest {
        val generation = FakeGeneration(*whole)
        val thrown = assertFailsWith<IllegalArgumentException> {
            FakeSession { generation }.generate("Count").collect { throw IllegalArgumentException("full") }
        }
        assertEquals("full", thrown.message)
        assertEquals("cancel", generation.log.first())
        assertEquals("close", generation.log.last())
    }

    @Test
    fun `first and take stop the models`() = runTest {
        val generations = List(2) { FakeGeneration(listOf(committed("One"), committed("!"), committed("?"))) }
        assertEquals(committed("One"), FakeSession { generations[0] }.generate("Count").first())
        assertEquals(2, FakeSession { generations[1] }.generate("Count").take(2).toList().size)
        for (generation in generations) {
            assertEquals("cancel", generation.log.first())
            assertEquals(listOf("end", "close"), generation.log.takeLast(2))
        }
    }

    @Test
    fun `a coroutine that is cancelled already starts nothing that goes on`() = runTest {
        val generation = FakeGeneration(*whole)
        coroutineScope {
            launch {
                cancel()
                FakeSession { generation }.generate("Count").collect { error("an event after the cancel") }
            }.join()
        }
        assertEquals("cancel", generation.log.first())
        assertEquals("close", generation.log.last())
    }

    @Test
    fun `cancelling a response and cancelling through operators stops the models`() = runTest {
        val generations = List(2) { FakeGeneration(listOf(committed("One"))) }
        val response = async(start = CoroutineStart.UNDISPATCHED) { FakeSession { generations[0] }.respond("Count") }
        val text = async(start = CoroutineStart.UNDISPATCHED) {
            FakeSession { generations[1] }.generateText("Count").onEach { yield() }.toList()
        }
        yield()
        response.cancel()
        text.cancel()
        assertTrue(generations.all { it.log.toList() == listOf("cancel") }, generations.map { it.log }.toString())
    }
}
