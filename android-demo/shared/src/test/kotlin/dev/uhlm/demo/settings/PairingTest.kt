package dev.uhlm.demo.settings

import dev.uhlm.demo.storage.AtomicFile
import java.io.File
import java.io.IOException
import kotlin.test.AfterTest
import kotlin.test.BeforeTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.resetMain
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.setMain
import org.junit.jupiter.api.io.TempDir

/** Links as `uhlm serve --qr` shows them, read by the real library. */
@OptIn(ExperimentalCoroutinesApi::class)
class PairingTest {
    @TempDir
    lateinit var folder: File

    private val dispatcher = StandardTestDispatcher()
    private val told = mutableListOf<String>()
    private val secrets = object : SecretStore {
        val kept = mutableMapOf(VERIFIER_TOKEN to "of another server")
        var failure: IOException? = null

        override fun get(name: String) = kept[name]

        override fun put(name: String, secret: String) {
            failure?.let { throw it }
            if (secret.isEmpty()) kept -= name else kept[name] = secret
        }
    }
    private val digest = "0aB1".repeat(16)
    private val link = "uhlm://verifier?url=https%3A%2F%2F192.168.1.5%3A8443&sha256=$digest&token=only-between-us"
    private val endpoint = "https://192.168.1.5:8443"

    @BeforeTest
    fun main() = Dispatchers.setMain(dispatcher)

    @AfterTest
    fun noMain() = Dispatchers.resetMain()

    private fun test(before: Settings = Settings(), body: suspend TestScope.(SettingsViewModel) -> Unit) =
        runTest(dispatcher) {
            val store = SettingsStore(folder, dispatcher)
            store.change { before }
            val model = SettingsViewModel(store, secrets, Calibrations(folder), told::add, dispatcher)
            runCurrent()
            body(model)
        }

    @Test
    fun `a link is asked about and then all of it is kept, its token where secrets are`() = test { model ->
        model.pair(" $link ")
        val asked = model.state.value.pairing
        assertEquals(Pairing(endpoint, "0ab1 0ab1 0ab1 0ab1", replaces = null, bringsToken = true), asked)
        assertEquals(Settings(), model.settings.value)
        model.answerPairing(true)
        runCurrent()
        assertNull(model.state.value.pairing)
        val kept = model.settings.value
        assertEquals(endpoint to Trust.FINGERPRINT, kept.endpoint to kept.trust)
        assertEquals(digest.lowercase(), kept.trustValue.lowercase())
        assertEquals("only-between-us", secrets.kept[VERIFIER_TOKEN])
        assertEquals(listOf(VERIFIER_TOKEN), told)
        assertEquals("Paired with 192.168.1.5:8443.", model.state.value.notice)
        val files = folder.walkTopDown().filter(File::isFile).mapNotNull { AtomicFile(it).read() }
        assertFalse(files.any { "only-between-us" in it })
    }

    @Test
    fun `a no changes nothing`() = test { model ->
        model.pair(link)
        model.answerPairing(false)
        runCurrent()
        assertEquals(Settings() to null, model.settings.value to model.state.value.pairing)
        assertEquals("of another server", secrets.kept[VERIFIER_TOKEN])
    }

    @Test
    fun `a server in another's place gets neither its token nor its agreement`() {
        val before = Settings(
            endpoint = endpoint,
            trust = Trust.FINGERPRINT,
            trustValue = "cd".repeat(32),
        ).let { it.copy(agreed = setOf(it.server)) }
        test(before) { model ->
            model.pair("uhlm://verifier?url=https%3A%2F%2F192.168.1.5%3A8443")
            val asked = model.state.value.pairing
            assertEquals(Pairing(endpoint, null, replaces = null, bringsToken = false), asked)
            model.answerPairing(true)
            runCurrent()
            assertFalse(model.settings.value.run { server in agreed })
            assertEquals(Trust.AUTHORITIES, model.settings.value.trust)
            assertNull(secrets.kept[VERIFIER_TOKEN])
        }
    }

    @Test
    fun `the address that is replaced is named and the same server again loses nothing`() {
        test(Settings(endpoint = "https://b:1")) { model ->
            model.pair(link)
            assertEquals("https://b:1", model.state.value.pairing?.replaces)
            model.answerPairing(true)
            runCurrent()
            model.change { it.copy(agreed = setOf(it.server)) }
            runCurrent()
            model.pair(link)
            model.answerPairing(true)
            runCurrent()
            assertTrue(model.settings.value.run { server in agreed })
        }
    }

    @Test
    fun `what is no link is a sentence`() = test { model ->
        val texts = listOf("", "https://a", "uhlm://verifier", "uhlm://verifier?url=http%3A%2F%2Fa", "uhlm://b?url=x")
        for (text in texts) {
            model.pair(text)
            assertNull(model.state.value.pairing, text)
            assertEquals("This is no link to a server.", model.state.value.notice?.substringBefore(" Show"), text)
            model.noticeSeen()
        }
    }

    @Test
    fun `a token that cannot be kept leaves the server as it was`() = test { model ->
        secrets.failure = IOException("full")
        model.pair(link)
        model.answerPairing(true)
        runCurrent()
        assertEquals(Settings(), model.settings.value)
        assertEquals("The token could not be kept safely, so it was not kept.", model.state.value.notice)
    }
}
