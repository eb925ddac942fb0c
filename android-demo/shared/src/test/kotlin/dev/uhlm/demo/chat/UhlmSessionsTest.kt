package dev.uhlm.demo.chat

import dev.uhlm.DeviceState
import dev.uhlm.ErrorKind
import dev.uhlm.ModelOptions
import dev.uhlm.NoHandle
import dev.uhlm.Redactor
import dev.uhlm.SessionOptions
import dev.uhlm.UhlmEngine
import dev.uhlm.UhlmException
import dev.uhlm.UhlmSession
import dev.uhlm.UhlmVerifier
import dev.uhlm.demo.failed
import dev.uhlm.demo.settings.SecretStore
import dev.uhlm.demo.settings.Settings
import dev.uhlm.kind
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotSame
import kotlin.test.assertNull
import kotlin.test.assertSame
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.async
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.UnconfinedTestDispatcher
import kotlinx.coroutines.test.runTest

@OptIn(ExperimentalCoroutinesApi::class)
class UhlmSessionsTest {
    private class Session(val verifier: UhlmVerifier?, val options: SessionOptions) : UhlmSession(NoHandle) {
        override fun setDevice(state: DeviceState) = Unit
    }

    private class Engine : UhlmEngine(NoHandle) {
        override suspend fun openSession(verifier: UhlmVerifier?, options: SessionOptions, redactor: Redactor?) =
            Session(verifier, options)
    }

    private val secrets = object : SecretStore {
        override fun get(name: String): String? = null

        override fun put(name: String, secret: String) = Unit
    }
    private val loads = mutableListOf<ModelOptions>()
    private val engines = mutableListOf<Engine>()

    /** Goes before each load. */
    private var loading: suspend (ModelOptions) -> Unit = {}

    private fun TestScope.sessions() = UhlmSessions(secrets, UnconfinedTestDispatcher(testScheduler)) { options ->
        loads += options
        loading(options)
        Engine().also { engines += it }
    }

    private val small = Settings(model = "/models/small.gguf")
    private val other = Settings(model = "/models/other.gguf")

    private fun sessionsTest(body: suspend TestScope.(UhlmSessions) -> Unit) = runTest { body(sessions()) }

    @Test
    fun `a session is opened with the context that there is memory for then and a model with the shortest`() =
        sessionsTest { sessions ->
            val session = sessions.session("a", small) as Session
            assertNull(session.options.context)
            assertEquals(listOf(ModelOptions(small.model, fitContext = 512u)), loads)
        }

    @Test
    fun `a session is kept until another one is asked for`() = sessionsTest { sessions ->
        val first = sessions.session("a", small)
        sessions.replied("a")
        assertSame(first, sessions.session("a", small))
        sessions.replied("a")
        val second = sessions.session("b", small)
        assertEquals(listOf(true, false), listOf(first, second).map { it.uniffiIsDestroyed })
        assertNull(sessions.opened("a"))
        assertEquals(1, loads.size)
    }

    @Test
    fun `another model lets the reply of the first one be written to its end`() = sessionsTest { sessions ->
        val first = sessions.session("a", small)
        val second = sessions.session("b", other)
        assertEquals(listOf(small.model, other.model), loads.map { it.path })
        assertEquals(listOf(false, false), listOf(first, second).map { it.uniffiIsDestroyed })
        assertSame(first, sessions.opened("a"))
        sessions.replied("a")
        assertEquals(listOf(true, false), listOf(first, second).map { it.uniffiIsDestroyed })
        // The first model is let go as soon as its last session is.
        assertEquals(listOf(true, false), engines.map { it.uniffiIsDestroyed })
    }

    @Test
    fun `where two models do not fit the one that writes goes on and the other one can be tried again`() =
        sessionsTest { sessions ->
            val first = sessions.session("a", small)
            loading = { throw failed(ErrorKind.NotEnoughMemory(needed = 1uL, fits = null)) }
            val failure = assertFailsWith<UhlmException> { sessions.session("b", other) }
            assertEquals(ErrorKind.NotEnoughMemory(1uL, null), failure.kind)
            sessions.replied("b")
            assertEquals(false, first.uniffiIsDestroyed)
            sessions.replied("a")
            loading = {}
            sessions.session("b", other)
            assertEquals(true, first.uniffiIsDestroyed)
        }

    @Test
    fun `a reply that waits for its model is not taken for one that is over`() = sessionsTest { sessions ->
        val loaded = CompletableDeferred<Unit>()
        loading = { loaded.await() }
        val first = async(UnconfinedTestDispatcher(testScheduler)) { sessions.session("a", small) }
        val second = async(UnconfinedTestDispatcher(testScheduler)) { sessions.session("b", small) }
        loaded.complete(Unit)
        // Neither generates yet.
        assertEquals(listOf(false, false), listOf(first, second).map { it.await().uniffiIsDestroyed })
    }

    @Test
    fun `another server lets the reply of the first one be written to its end`() = sessionsTest { sessions ->
        val first = sessions.session("a", small.copy(endpoint = "https://first:1")) as Session
        val second = sessions.session("b", small.copy(endpoint = "https://second:1")) as Session
        assertNotSame(first.verifier, second.verifier)
        assertEquals(listOf(false, false), listOf(first, second).map { it.uniffiIsDestroyed })
        sessions.replied("a")
        assertEquals(listOf(true, false), listOf(first, second).map { it.uniffiIsDestroyed })
    }

    @Test
    fun `other settings of a conversation open another session of it`() = sessionsTest { sessions ->
        val first = sessions.session("a", small)
        sessions.replied("a")
        val second = sessions.session("a", small.copy(temperature = 0f))
        assertNotSame(first, second)
        assertEquals(true, first.uniffiIsDestroyed)
        assertSame(second, sessions.opened("a"))
    }

    @Test
    fun `a token that is changed ends the sessions that use the last one`() = sessionsTest { sessions ->
        val session = sessions.session("a", small)
        sessions.forgetTokens()
        assertEquals(true, session.uniffiIsDestroyed)
        sessions.replied("a")
        assertNull(sessions.opened("a"))
    }
}
