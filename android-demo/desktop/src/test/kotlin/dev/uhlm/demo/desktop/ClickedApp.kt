package dev.uhlm.demo.desktop

import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.ui.platform.LocalDensity
import androidx.compose.ui.test.DesktopComposeUiTest
import androidx.compose.ui.test.ExperimentalTestApi
import androidx.compose.ui.test.SemanticsMatcher
import androidx.compose.ui.test.hasAnyAncestor
import androidx.compose.ui.test.hasContentDescription
import androidx.compose.ui.test.hasTestTag
import androidx.compose.ui.test.hasText
import androidx.compose.ui.test.onNodeWithContentDescription
import androidx.compose.ui.test.onNodeWithTag
import androidx.compose.ui.test.onNodeWithText
import androidx.compose.ui.test.performClick
import androidx.compose.ui.test.performTextInput
import androidx.compose.ui.test.v2.runDesktopComposeUiTest
import androidx.compose.ui.unit.Density
import dev.uhlm.ToolCall
import dev.uhlm.TrustPolicy
import dev.uhlm.demo.Wiring
import dev.uhlm.demo.chat.ChatState
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

/** What tests need that click through the app: a folder, the app in it on the real library, and the ways of a hand. */
@OptIn(ExperimentalTestApi::class)
abstract class ClickedApp {
    /** Where the app keeps everything. */
    @TempDir
    lateinit var folder: File

    protected lateinit var wiring: Wiring
    protected lateinit var platform: DesktopPlatform

    /** The app's sessions. */
    internal lateinit var held: HeldSessions

    protected val outside = PickedOutside()

    /** The words of the language that the app speaks. */
    protected var words: WordTable = WordTable("en")

    protected val chat: ChatState get() = wiring.viewModels.chat.state.value
    protected val reply: Reply? get() = chat.conversation?.turns?.lastOrNull() as? Reply

    /** Closes the app, whose replies wait for nothing then, and lets the server be reached again. */
    @AfterTest
    fun end() {
        if (::held.isInitialized) held.goOn()
        wiring.close()
        Fixture.weather("clear")
    }

    /**
     * Runs the app for a test.
     *
     * @param calling a call that every reply makes; none for the library's own replies.
     * @param kept what was said in a conversation that is open from the beginning; none where it is empty.
     */
    protected fun app(
        settings: Settings = Fixture.settings("server"),
        trust: TrustPolicy? = null,
        slow: Boolean = false,
        calling: ToolCall? = null,
        kept: List<Entry> = emptyList(),
        fontScale: Float = 1f,
        test: DesktopComposeUiTest.() -> Unit,
    ) {
        val open = if (kept.isEmpty()) settings.open else keep(folder, kept)
        runBlocking { SettingsStore(folder).change { settings.copy(open = open) } }
        platform = DesktopPlatform(folder, trust)
        val real = UhlmSessions(platform.secrets)
        held = HeldSessions(calling?.let { CallingSessions(real, it) } ?: real)
        wiring = Wiring(platform, if (slow) SlowStore(store()) else store(), held)
        runDesktopComposeUiTest(420, 860, testTimeout = 10.minutes) {
            setContent {
                val density = Density(LocalDensity.current.density, fontScale)
                CompositionLocalProvider(LocalDensity provides density) { App(wiring.viewModels, outside) }
            }
            until("the conversations") { chat.loaded }
            test()
        }
    }

    /** The conversations as they are on the disk. */
    protected fun store(): JournalStore = JournalStore(File(folder, "conversations"))

    protected fun DesktopComposeUiTest.until(what: String, holds: () -> Boolean): Unit =
        waitUntil(what, patience.inWholeMilliseconds, holds)

    protected fun DesktopComposeUiTest.untilShown(matcher: SemanticsMatcher): Unit =
        until(matcher.description) { onAllNodes(matcher).fetchSemanticsNodes().isNotEmpty() }

    protected fun DesktopComposeUiTest.untilWritten(): Unit =
        until("the end of the reply") { reply?.end != null && chat.writingHere == null }

    protected fun DesktopComposeUiTest.click(text: String) {
        onNodeWithText(text).performClick()
    }

    protected fun DesktopComposeUiTest.say(text: String) {
        onNodeWithTag("message").performTextInput(text)
        // It takes the place of the button that stops a reply, which is drawn a moment after the reply has ended.
        untilShown(hasContentDescription(words["chat.send"]))
        onNodeWithContentDescription(words["chat.send"]).performClick()
    }

    protected fun DesktopComposeUiTest.menu(entry: String) {
        onNodeWithContentDescription(words["more"]).performClick()
        click(entry)
    }

    protected fun DesktopComposeUiTest.newConversation() {
        onNodeWithContentDescription(words["screen.conversations"]).performClick()
        click(words["chat.new"])
        until("a new conversation") { chat.open == null }
    }

    /** Has this device alone ask for a tool in a conversation which nobody looks at: the one that is open stays so. */
    protected fun DesktopComposeUiTest.askElsewhere() {
        val here = chat.open
        newConversation()
        held.hold()
        say("How much is 12.5 * 8?")
        until("the reply") { held.isHeld }
        runOnIdle { wiring.viewModels.chat.open(here) }
        held.goOn()
        untilShown(hasTestTag("asking"))
    }

    /** Goes through the screens of the app, whose open conversation has a reply, and has each looked at. */
    protected fun DesktopComposeUiTest.onEveryScreen(look: (screen: String) -> Unit) {
        look("chat")
        onNodeWithTag("controls").performClick()
        look("controls")
        onNodeWithTag("controls").performClick()
        onNodeWithContentDescription(words["screen.conversations"]).performClick()
        waitForIdle()
        look("conversations")
        onNode(hasText(chat.conversation!!.title) and hasAnyAncestor(hasTestTag("conversations"))).performClick()
        waitForIdle()
        menu(words["screen.legend"])
        look("legend")
        click(words["ok"])
        for (screen in listOf("sent", "models", "speed", "settings")) {
            menu(words["screen.$screen"])
            look(screen)
            onNodeWithContentDescription(words["back"]).performClick()
        }
    }
}
