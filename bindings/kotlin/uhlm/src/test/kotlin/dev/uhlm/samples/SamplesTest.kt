package dev.uhlm.samples

import dev.uhlm.DownloadRequest
import dev.uhlm.Fixture
import dev.uhlm.GenerationEvent
import dev.uhlm.InProcessScheduler
import dev.uhlm.Message
import dev.uhlm.Mode
import dev.uhlm.ModelOptions
import dev.uhlm.Role
import dev.uhlm.SessionOptions
import dev.uhlm.StoreOptions
import dev.uhlm.UhlmDownloads
import dev.uhlm.UhlmEngine
import dev.uhlm.UhlmModelStore
import dev.uhlm.eventually
import dev.uhlm.generate
import dev.uhlm.info
import dev.uhlm.installLogSink
import dev.uhlm.patience
import dev.uhlm.testing
import java.io.ByteArrayOutputStream
import java.io.PrintStream
import kotlin.io.path.createTempDirectory
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Test

/** The snippets of docs/kotlin.md against the real library. */
class SamplesTest {
    private val facts = Fixture.facts
    private val trust = requireNotNull(facts.server.trust)

    @Test
    fun `the snippets do what the page says`() = testing {
        alone(facts.draft)
        UhlmEngine.load(ModelOptions(facts.draft)).use { engine ->
            val reply = hybrid(engine, facts.calibration, facts.server.endpoint, trust)
            assertTrue(reply.text.isNotEmpty())

            val saved = listOf(Message(Role.USER, "What is 12 plus 30?"), Message(Role.ASSISTANT, "42."))
            assertEquals(saved, restore(engine, saved).take(2))

            engine.openSession(options = SessionOptions(mode = Mode.DEVICE_ONLY)).use { session ->
                val transcript = Transcript()
                var whole = ""
                session.generate(facts.questions[0]).collect {
                    transcript.add(it)
                    if (it is GenerationEvent.Finished) whole = it.text
                }
                assertEquals(whole, transcript.text)
                assertEquals("", transcript.tail)
                errors(session, signIn = {})
                assertTrue(formed(session) in listOf("yes", "no"))
                session.reset()
                val (reply, again) = seed(session)
                assertEquals(reply.text, again.text)
                session.reset()
                // The demo model calls nothing by itself.
                assertEquals(emptyList(), tools(session) { "rain" }.toolCalls)
            }
        }
        times(facts.server.endpoint)
        val folder = createTempDirectory("uhlm-models").toFile()
        val model = download(folder.path, facts.models.trust, facts.models.whole, facts.models.wholeSha256)
        assertEquals(facts.models.wholeSha256, model?.sha256)
        folder.deleteRecursively()
        pair("uhlm://verifier?url=https%3A%2F%2Fa.example") { error("there is no token") }.close()
    }

    @Test
    fun `the snippet of a download in the background brings the model`() = testing {
        val folder = createTempDirectory("uhlm-models").toFile()
        val store = { UhlmModelStore(StoreOptions(folder.path, trust = facts.models.trust)) }
        val scope = CoroutineScope(Job())
        val downloads = UhlmDownloads(store, folder.resolve("downloads"), InProcessScheduler(scope))
        val request = DownloadRequest(listOf(facts.models.whole), sha256 = facts.models.wholeSha256)
        assertEquals(facts.models.wholeSha256, background(downloads, request)?.sha256)
        assertEquals(null, background(downloads, request.copy(sha256 = "ab".repeat(32), name = "b.gguf")))
        scope.cancel()
        folder.deleteRecursively()
    }

    @Test
    fun `the logging snippet prints lines and only the first sink counts`() = testing {
        val output = System.out
        val printed = ByteArrayOutputStream()
        System.setOut(PrintStream(printed, true))
        try {
            logging()
            UhlmEngine.load(ModelOptions(facts.draft)).close()
            eventually({ "nothing was logged" }) { "INFO " in printed.toString() }
            assertFalse(installLogSink { _, _, _ -> })
        } finally {
            System.setOut(output)
        }
    }

    @Test
    fun `the token snippet signs in`() = testing {
        val account = object : Account {
            override var token: String? = "stale"
            override suspend fun renew() {
                token = facts.guardedToken
            }
        }
        token(facts.guarded.endpoint, requireNotNull(facts.guarded.trust), account).use { verifier ->
            assertTrue(verifier.info(patience).context > 0u)
        }
    }

    @Test
    fun `the chat model shows replies and a new message takes the place of the one that runs`() = testing {
        UhlmEngine.load(ModelOptions(facts.draft)).use { engine ->
            engine.openSession(options = SessionOptions(mode = Mode.DEVICE_ONLY)).use { session ->
                // On one thread, as on a phone's main one.
                val scope = CoroutineScope(coroutineContext + Job())
                val model = ChatModel(session, scope)
                for (question in facts.questions.take(5)) {
                    model.send(question)
                    yield()
                }
                withTimeout(patience) {
                    fun last() = session.messages().lastOrNull()?.content
                    while (session.status().generating || last() != model.reply.value) delay(20)
                }
                assertEquals(null, model.problem.value)
                assertEquals(facts.questions[4], session.messages().last { it.role == Role.USER }.content)
                model.stop()
                scope.cancel()
            }
        }
    }
}
