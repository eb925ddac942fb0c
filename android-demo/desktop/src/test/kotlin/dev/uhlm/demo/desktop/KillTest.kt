package dev.uhlm.demo.desktop

import dev.uhlm.demo.Wiring
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.storage.ConversationStore
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.Said
import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.RepeatedTest
import org.junit.jupiter.api.io.TempDir

/** The app as a process of its own, killed by SIGKILL in the middle of a reply. */
class KillTest {
    @TempDir
    lateinit var folder: File

    private fun child(said: File): Process {
        val classpath = File("target/classpath.txt").readText().trim() + ":target/classes:target/test-classes"
        val java = File(System.getProperty("java.home"), "bin/java").path
        val override = "uniffi.component.uhlm_ffi.libraryOverride"
        val library = "-D$override=" + System.getProperty(override)
        val child = KilledChild::class.java.name
        val command = listOf(java, "-Djava.awt.headless=true", library, "-cp", classpath, child, folder.path)
        return ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).redirectOutput(said).start()
    }

    /** What the child showed last; a line that was cut off was not shown whole. */
    private fun shown(said: File): String {
        val lines = said.readText().substringBeforeLast('\n', "").lines().filter { it.isNotEmpty() }
        return lines.lastOrNull()?.let { Json.parseToJsonElement(it).jsonPrimitive.content }.orEmpty()
    }

    @RepeatedTest(3)
    fun `a conversation survives SIGKILL while a reply is written`() {
        runBlocking { SettingsStore(folder).change { Settings(model = Fixture.draft, maxTokens = 96) } }
        val said = File(folder, "said")
        val child = child(said)
        eventually({ "some words; the child said ${said.readText()}" }) { shown(said).length > 12 }
        child.destroyForcibly().waitFor()
        // The last of it: it went on until it was gone.
        val shown = shown(said)
        assertEquals(128 + 9, child.exitValue())

        val conversation = JournalStore(File(folder, "conversations")).load().single()
        assertEquals(KilledChild.QUESTION, (conversation.turns.first() as Said).text)
        val reply = conversation.turns.last() as Reply
        assertTrue(reply.text.startsWith(shown), "shown: $shown\nkept: ${reply.text}")
        assertNull(reply.end)

        // And the app that starts next shows it.
        val wiring = Wiring(DesktopPlatform(folder))
        eventually({ "the conversation" }) { wiring.viewModels.chat.state.value.loaded }
        assertEquals(conversation, assertNotNull(wiring.viewModels.chat.state.value.conversation))
        wiring.close()
    }
}

/** The store on a slow disk, so that the small demo model is still writing when it is killed. */
internal class SlowStore(private val store: ConversationStore, private val millis: Long = 200) :
    ConversationStore by store {
    override fun append(id: String, entry: Entry) {
        store.append(id, entry)
        if (entry is Entry.Committed) Thread.sleep(millis)
    }
}

/** Asks for a reply and prints what the screen would show of it, one JSON string a line. */
internal object KilledChild {
    const val QUESTION = "Please add 7447 to 9340."

    @JvmStatic
    fun main(arguments: Array<String>): Unit = runBlocking {
        val platform = DesktopPlatform(File(arguments.single()))
        val chat = Wiring(platform, SlowStore(JournalStore(File(platform.folder, "conversations")))).viewModels.chat
        chat.state.first { it.loaded }
        withContext(Dispatchers.Main) { chat.send(QUESTION) }
        chat.state.collect { state ->
            val reply = state.conversation?.turns?.lastOrNull() as? Reply ?: return@collect
            if (reply.end != null) return@collect
            println(JsonPrimitive(reply.text))
            System.out.flush()
        }
    }
}
