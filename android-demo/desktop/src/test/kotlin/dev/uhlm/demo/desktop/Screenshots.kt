package dev.uhlm.demo.desktop

import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.ui.ExperimentalComposeUiApi
import androidx.compose.ui.awt.ComposeWindow
import androidx.compose.ui.input.InputMode
import androidx.compose.ui.input.InputModeManager
import androidx.compose.ui.platform.LocalDensity
import androidx.compose.ui.platform.LocalInputModeManager
import androidx.compose.ui.semantics.SemanticsActions
import androidx.compose.ui.semantics.SemanticsNode
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.semantics.getOrNull
import androidx.compose.ui.unit.Density
import dev.uhlm.ToolCall
import dev.uhlm.demo.Wiring
import dev.uhlm.demo.chat.UhlmSessions
import dev.uhlm.demo.platform.PickedFile
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.ui.App
import java.awt.Robot
import java.awt.event.InputEvent
import java.awt.event.KeyEvent
import java.awt.image.BufferedImage
import java.io.File
import java.nio.file.Files
import javax.imageio.ImageIO
import javax.swing.SwingUtilities
import kotlin.math.abs
import kotlin.math.sign
import kotlinx.coroutines.runBlocking

/**
 * The app in a real window, clicked with a real mouse, on real models and real verifiers, for pictures of it. Needs a
 * display: `screenshots.sh` starts Xvfb.
 */
@OptIn(ExperimentalComposeUiApi::class)
internal class Screenshots(
    private val into: File,
    private val settings: Settings,
    width: Int = 420,
    height: Int = 860,
    private val fontScale: Float = 1f,
    kept: List<Entry> = emptyList(),
    calling: ToolCall? = null,
    millis: Long = 40,
) : AutoCloseable {
    private val folder = Files.createTempDirectory("uhlm-demo").toFile()
    private val server = ModelServer(folder, File(Fixture.draft), quick = (File(Fixture.draft).length() * 0.43).toInt())
    private val robot = Robot().apply { autoDelay = 30 }
    private val wiring: Wiring
    private val window: ComposeWindow
    val chat get() = wiring.viewModels.chat.state.value
    val reply get() = chat.conversation?.turns?.lastOrNull() as? Reply

    init {
        val open = if (kept.isEmpty()) settings.open else keep(folder, kept)
        runBlocking { SettingsStore(folder).change { settings.copy(open = open) } }
        // Slowed down to what a phone with a real model writes: of the demo model no picture could be taken on its way.
        val store = SlowStore(JournalStore(File(folder, "conversations")), millis)
        val platform = DesktopPlatform(folder, server.trust)
        val real = UhlmSessions(platform.secrets)
        wiring = Wiring(platform, store, calling?.let { CallingSessions(real, it) } ?: real)
        window = onEdt {
            ComposeWindow().apply {
                isUndecorated = true
                setBounds(0, 0, width, height)
                setContent {
                    val density = Density(LocalDensity.current.density, fontScale)
                    CompositionLocalProvider(LocalDensity provides density, LocalInputModeManager provides Fingers) {
                        App(wiring.viewModels, DesktopOutside())
                    }
                }
                isVisible = true
            }
        }
        eventually({ "the conversations" }) { chat.loaded }
        // What was not drawn yet is black, as no theme is.
        eventually({ "the first frame" }) { picture().run { getRGB(width / 2, height / 2) and 0xFFFFFF } != 0 }
    }

    fun change(change: (Settings) -> Settings) = wiring.viewModels.settings.change(change)

    fun click(name: String) {
        see(name)
        Thread.sleep(400)
        val node = checkNotNull(find(name))
        val bounds = node.boundsInWindow
        if (bounds.isEmpty) {
            // Large type has pushed it out of sight: it is tapped as who hears the screen does.
            onEdt { node.config[SemanticsActions.OnClick].action?.invoke() }
        } else {
            robot.mouseMove(window.x + bounds.center.x.toInt(), window.y + bounds.center.y.toInt())
            robot.mousePress(InputEvent.BUTTON1_DOWN_MASK)
            robot.mouseRelease(InputEvent.BUTTON1_DOWN_MASK)
        }
        Thread.sleep(200)
    }

    /** Types into the field that has the focus. */
    fun type(text: String) {
        for (letter in text) {
            val key = KeyEvent.getExtendedKeyCodeForChar(letter.code)
            robot.keyPress(key)
            robot.keyRelease(key)
        }
    }

    /** Turns the mouse's wheel over the middle of the window, towards the end or back. */
    fun scroll(notches: Int) {
        robot.mouseMove(window.x + window.width / 2, window.y + window.height / 2)
        repeat(abs(notches)) { robot.mouseWheel(notches.sign) }
        Thread.sleep(400)
    }

    /** Opens a conversation; a new one where there is none. */
    fun open(conversation: String?) = onEdt { wiring.viewModels.chat.open(conversation) }

    fun open(entry: String, tag: String) {
        repeat(5) {
            if (find(tag) != null) return
            if (find(entry) == null) click("More")
            click(entry)
            Thread.sleep(1500)
        }
        checkNotNull(find(tag)) { "$entry does not open" }
    }

    fun send(text: String) {
        onEdt { wiring.viewModels.chat.send(text) }
        Thread.sleep(300)
    }

    fun written() = eventually({ "the end of the reply" }) { reply?.end != null && chat.writingHere == null }

    fun download() {
        val models = wiring.viewModels.models
        onEdt { models.download(server.url) }
        eventually({ "the question" }) { models.state.value.unchecked != null }
        onEdt { models.answer(downloadAnyway = true) }
        eventually({ "progress" }) { models.state.value.downloads.values.any { (it.share ?: 0f) > 0.4f } }
    }

    fun measured() = eventually({ "a measurement" }) { wiring.viewModels.speed.state.value.measured != null }

    /** A model's file that the person picks. */
    fun bring(name: String) {
        val models = wiring.viewModels.models
        onEdt { models.take(PickedFile(name) { File(Fixture.draft).inputStream() }) }
        eventually({ "the model" }) { models.state.value.stored.any { it.name == name } }
    }

    /** A link that the camera's app opens. */
    fun pair(link: String) {
        onEdt { wiring.viewModels.settings.pair(link) }
        Thread.sleep(1500)
    }

    /** Waits for a node that something before brings. */
    fun see(name: String) = eventually({ "a node `$name`" }) { find(name) != null }

    /** Takes a picture, once nothing moves any more where [settles] says so. */
    fun take(name: String, settles: Boolean = true) {
        // Nothing is shown as pointed at.
        robot.mouseMove(window.width + 50, 50)
        var taken = picture()
        // A caret never rests.
        if (settles) for (attempt in 1..8) {
            Thread.sleep(700)
            val before = taken.pixels()
            taken = picture()
            if (taken.pixels().contentEquals(before)) break
        }
        ImageIO.write(taken.inFewColours(), "png", File(into, "$name.png"))
        println(name)
    }

    private fun picture(): BufferedImage = robot.createScreenCapture(window.bounds)

    private fun BufferedImage.pixels(): IntArray = getRGB(0, 0, width, height, null, 0, width)

    override fun close() {
        onEdt {
            window.dispose()
            wiring.close()
        }
        server.close()
        folder.deleteRecursively()
    }

    private fun find(name: String): SemanticsNode? = onEdt {
        window.semanticsOwners.toList().asReversed().firstNotNullOfOrNull { find(it.rootSemanticsNode, name) }
    }

    private fun find(node: SemanticsNode, name: String): SemanticsNode? {
        val described = node.config.getOrNull(SemanticsProperties.ContentDescription).orEmpty()
        val texts = node.config.getOrNull(SemanticsProperties.Text).orEmpty().map { it.text }
        val tag = node.config.getOrNull(SemanticsProperties.TestTag)
        if (name in described || name in texts || tag == name) return node
        return node.children.firstNotNullOfOrNull { find(it, name) }
    }

    private fun <T> onEdt(call: () -> T): T {
        var result: Result<T>? = null
        SwingUtilities.invokeAndWait { result = runCatching(call) }
        return checkNotNull(result).getOrThrow()
    }
}

/** Fingers leave nothing focused that they tapped. */
private object Fingers : InputModeManager {
    override val inputMode = InputMode.Touch

    @ExperimentalComposeUiApi
    override fun requestInputMode(inputMode: InputMode) = false
}
