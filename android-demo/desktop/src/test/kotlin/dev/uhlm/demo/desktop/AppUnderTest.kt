package dev.uhlm.demo.desktop

import androidx.compose.ui.test.DesktopComposeUiTest
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SemanticsMatcher
import androidx.compose.ui.test.hasContentDescription
import androidx.compose.ui.test.onNodeWithContentDescription
import androidx.compose.ui.test.onNodeWithTag
import androidx.compose.ui.test.onNodeWithText
import androidx.compose.ui.test.performClick
import androidx.compose.ui.test.performTextInput
import androidx.compose.ui.test.v2.runDesktopComposeUiTest
import dev.uhlm.ToolCall
import dev.uhlm.demo.Wiring
import dev.uhlm.demo.chat.UhlmSessions
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.ui.App
import java.io.File
import kotlin.test.AfterTest
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.io.TempDir

/** The app on the real library, for tests that look at one matter each; [AppTest] goes through all of it. */
@OptIn(ExperimentalTestApi::class)
abstract class AppUnderTest {
    @TempDir
    lateinit var folder: File

    protected lateinit var wiring: Wiring

    /** Those of the app. */
    internal lateinit var held: HeldSessions

    protected val chat get() = wiring.viewModels.chat.state.value
    protected val reply get() = chat.conversation?.turns?.lastOrNull() as? Reply

    @AfterTest
    fun end() {
        held.goOn()
        wiring.close()
    }

    protected fun store() = JournalStore(File(folder, "conversations"))

    /** A conversation that was had before the app was started. */
    protected fun had(title: String, vararg entries: Entry): String {
        val store = store()
        val id = store.create(title, System.currentTimeMillis()).id
        entries.forEach { store.append(id, it) }
        return id
    }

    protected fun app(settings: Settings, calling: ToolCall? = null, test: DesktopComposeUiTest.() -> Unit) {
        runBlocking { SettingsStore(folder).change { settings } }
        val platform = DesktopPlatform(folder)
        val real = UhlmSessions(platform.secrets)
        held = HeldSessions(calling?.let { CallingSessions(real, it) } ?: real)
        wiring = Wiring(platform, store(), held)
        runDesktopComposeUiTest(420, 860, testTimeout = 10.minutes) {
            setContent { App(wiring.viewModels) }
            until("the conversations") { chat.loaded }
            test()
        }
    }

    protected fun DesktopComposeUiTest.until(what: String, holds: () -> Boolean) =
        waitUntil(what, patience.inWholeMilliseconds, holds)

    protected fun DesktopComposeUiTest.untilShown(matcher: SemanticsMatcher) =
        until(matcher.description) { onAllNodes(matcher).fetchSemanticsNodes().isNotEmpty() }

    protected fun DesktopComposeUiTest.click(text: String) = onNodeWithText(text).performClick()

    protected fun DesktopComposeUiTest.menu(entry: String) {
        onNodeWithContentDescription("More").performClick()
        click(entry)
    }

    protected fun DesktopComposeUiTest.newConversation() {
        onNodeWithContentDescription("Conversations").performClick()
        click("New conversation")
        until("a new conversation") { chat.open == null }
    }

    protected fun DesktopComposeUiTest.say(text: String) {
        onNodeWithTag("message").performTextInput(text)
        untilShown(hasContentDescription("Send"))
        onNodeWithContentDescription("Send").performClick()
    }
}
