package dev.uhlm.demo.desktop

import androidx.compose.runtime.CompositionLocalProvider
import androidx.compose.ui.ExperimentalComposeUiApi
import androidx.compose.ui.awt.ComposeWindow
import androidx.compose.ui.platform.LocalDensity
import androidx.compose.ui.semantics.SemanticsNode
import androidx.compose.ui.semantics.SemanticsProperties
import androidx.compose.ui.semantics.getOrNull
import androidx.compose.ui.unit.Density
import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.ToolCall
import dev.uhlm.demo.Wiring
import dev.uhlm.demo.chat.UhlmSessions
import dev.uhlm.demo.platform.PickedFile
import dev.uhlm.demo.settings.GoalChoice
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.settings.Theme
import dev.uhlm.demo.settings.Trust
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.ReplyEnd
import dev.uhlm.demo.ui.App
import java.awt.Robot
import java.awt.event.InputEvent
import java.io.File
import java.nio.file.Files
import java.util.Locale
import javax.imageio.ImageIO
import javax.swing.SwingUtilities
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.runBlocking

/**
 * Takes the pictures of `screenshots/`: the app in a real window, clicked with a real mouse, on the demo pair and real
 * verifiers. Needs a display: `screenshots.sh` starts Xvfb.
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
) : AutoCloseable {
    private val folder = Files.createTempDirectory("uhlm-demo").toFile()
    private val server = ModelServer(folder, File(Fixture.draft), quick = (File(Fixture.draft).length() * 0.43).toInt())
    private val robot = Robot().apply { autoDelay = 30 }
    private val wiring: Wiring
    private val window: ComposeWindow
    val chat get() = wiring.viewModels.chat.state.value
    val reply get() = chat.conversation?.turns?.lastOrNull() as? Reply

    init {
        runBlocking { SettingsStore(folder).change { settings } }
        if (kept.isNotEmpty()) keep(kept)
        // Slowed down to what a phone with a real model writes: of the demo model no picture could be taken on its way.
        val store = SlowStore(JournalStore(File(folder, "conversations")), millis = 40)
        val platform = DesktopPlatform(folder, server.trust)
        val real = UhlmSessions(platform.secrets)
        wiring = Wiring(platform, store, calling?.let { CallingSessions(real, it) } ?: real)
        window = onEdt {
            ComposeWindow().apply {
                isUndecorated = true
                setBounds(0, 0, width, height)
                setContent {
                    val density = Density(LocalDensity.current.density, fontScale)
                    CompositionLocalProvider(LocalDensity provides density) { App(wiring.viewModels, DesktopOutside()) }
                }
                isVisible = true
            }
        }
        eventually({ "the conversations" }) { chat.loaded }
        // The first frame comes late.
        Thread.sleep(4000)
    }

    /** A conversation that was had before the app was started. */
    private fun keep(entries: List<Entry>) {
        val store = JournalStore(File(folder, "conversations"))
        val id = store.create("Sorting in Kotlin", System.currentTimeMillis()).id
        entries.forEach { store.append(id, it) }
        runBlocking { SettingsStore(folder).change { it.copy(open = id) } }
    }

    fun change(change: (Settings) -> Settings) = wiring.viewModels.settings.change(change)

    fun click(name: String) {
        var node: SemanticsNode? = null
        eventually({ "a node `$name`" }) {
            node = find(name)
            node != null
        }
        Thread.sleep(400)
        val bounds = checkNotNull(find(name)).boundsInWindow
        robot.mouseMove(window.x + bounds.center.x.toInt(), window.y + bounds.center.y.toInt())
        robot.mousePress(InputEvent.BUTTON1_DOWN_MASK)
        robot.mouseRelease(InputEvent.BUTTON1_DOWN_MASK)
        Thread.sleep(200)
    }

    /** Turns the mouse's wheel over the middle of the window. */
    fun scroll(notches: Int) {
        robot.mouseMove(window.x + window.width / 2, window.y + window.height / 2)
        repeat(notches) { robot.mouseWheel(1) }
        Thread.sleep(400)
    }

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

    fun take(name: String, settle: Long = 900) {
        Thread.sleep(settle)
        ImageIO.write(robot.createScreenCapture(window.bounds), "png", File(into, "$name.png"))
        println(name)
    }

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

private fun chat(into: File, name: String, settings: Settings) = Screenshots(into, settings).use { app ->
    app.send(Fixture.questions[0])
    app.take("consent-$name", settle = 3000)
    app.click("Send this conversation")
    app.written()
    app.send(Fixture.questions[5])
    app.written()
    app.click("Details")
    app.take("answered-$name")
    app.send(Fixture.questions[9])
    eventually({ "a reply on its way" }) {
        val here = app.chat.writingHere
        val isFull = here?.figures != null && here.provisional.length > 3 && app.reply?.text.orEmpty().length > 12
        app.reply?.end != null || isFull
    }
    app.take("streaming-$name", settle = 0)
    app.written()
    app.click("controls")
    app.take("controls-$name")
    app.click("controls")
    app.open("Who wrote what", "legend")
    app.click("Colour every word by who wrote it")
    app.take("legend-$name")
    app.click("OK")
    app.take("tinted-$name")
    app.change { it.copy(tinted = false) }
    app.open("What was sent", "sent")
    app.take("sent-$name")
    app.click("Back")
    app.open("Settings", "settings")
    // Where the file lies on this machine is nobody's business.
    app.change { it.copy(calibration = "") }
    app.take("settings-$name")
    app.click("Back")
    app.open("Speed", "speed")
    app.click("Measure now")
    app.measured()
    app.take("speed-$name")
    app.click("Back")
    app.open("Models", "models")
    app.bring("second-model.gguf")
    app.download()
    app.take("download-$name")
    app.click("Back")
    app.click("model")
    app.take("picker-$name")
}

private fun pairing(into: File, name: String, settings: Settings) = Screenshots(into, settings).use { app ->
    val link = "uhlm://verifier?url=https%3A%2F%2F192.168.1.5%3A8443&token=a&sha256=" + "3fa19c04d27be856".repeat(4)
    app.pair(link)
    app.take("pairing-$name")
    app.click("Cancel")
    app.pair("uhlm://verifier")
    app.take("pairing-malformed-$name")
    app.open("Settings", "settings")
    app.scroll(18)
    app.take("notices-$name")
}

private fun offline(into: File, name: String, settings: Settings) = Screenshots(into, settings).use { app ->
    Fixture.weather("resets")
    app.send(Fixture.questions[0])
    app.click("Send this conversation")
    app.written()
    for (question in Fixture.questions.drop(1)) {
        if (app.chat.offline) break
        app.send(question)
        app.written()
    }
    app.take("offline-$name")
    Fixture.weather("clear")
}

/** What a real model writes: the demo pair knows no Markdown. */
private fun markdown(into: File, name: String, settings: Settings, fontScale: Float = 1f) {
    val kept = listOf(
        Entry.SaidText(1, "How do I sort a list of people by age in Kotlin?"),
        Entry.ReplyBegan(2, Mode.EXACT),
        Entry.Reasoned("They want `sortedBy`, and perhaps the descending form."),
        Entry.Committed("Use `sortedBy`, which returns a **new** list:\n\n```kotlin\nval ", Origin.VERIFIED),
        Entry.Committed("byAge", Origin.TARGET, corrected = true),
        Entry.Committed(" = people.sortedBy { it.age }\n```\n\nTwo things to know:\n\n", Origin.VERIFIED),
        Entry.Committed("1. It is *stable*: ", Origin.VERIFIED),
        Entry.Committed("equal", Origin.TARGET, corrected = true),
        Entry.Committed(" ages keep their order.\n2. For the oldest first: `sortedByDescending`.\n\n", Origin.VERIFIED),
        Entry.Committed("| function | changes the list |\n|---|---|\n| `sortedBy` | no |\n", Origin.UNVERIFIED),
        Entry.Committed("| `sortBy` | yes |", Origin.UNVERIFIED),
        Entry.ReplyEnded(ReplyEnd(FinishReason.END_OF_REPLY)),
    )
    Screenshots(into, settings, fontScale = fontScale, kept = kept).use { it.take("markdown-$name") }
}

/** The demo pair calls no tool: the replies are written by hand, and the calculator is the app's. */
private fun tools(into: File, name: String, settings: Settings) {
    val call = ToolCall("call00001", "calculate", """{"expression": "12.5 * 8"}""")
    Screenshots(into, settings.copy(tools = true), calling = call).use { app ->
        for (question in listOf("How much are eight tickets at 12.50?", "And once more?")) {
            app.send(question)
            if (app.chat.question != null) {
                app.take("tools-consent-$name", settle = 3000)
                app.click("Send this conversation")
            }
            eventually({ "the question" }) { app.chat.callHere != null }
            app.take("tools-question-$name")
            app.click("Allow")
            app.written()
            app.click("call")
        }
        app.click("call")
        app.take("tools-called-$name")
        app.open("Settings", "settings")
        app.change { it.copy(calibration = "") }
        app.scroll(30)
        app.take("tools-settings-$name")
    }
}

/** A real model that calls a tool, which the person allows; its server runs elsewhere. */
private fun real(into: File, model: String, endpoint: String, fingerprint: String) {
    val settings = Settings(
        endpoint = endpoint,
        trust = Trust.FINGERPRINT,
        trustValue = fingerprint,
        model = model,
        mode = Mode.EXACT,
        temperature = 0f,
        theme = Theme.LIGHT,
        tools = true,
    )
    Screenshots(into, settings).use { app ->
        app.send("What is 12.75 * 48.6?")
        app.click("Send this conversation")
        // A large model on a small machine takes its time.
        val isOver = { app.reply?.end != null }
        eventually({ "a call" }, 10.minutes) { app.chat.callHere != null || isOver() }
        check(!isOver()) { "it calls nothing and writes: ${app.reply?.text}" }
        eventually({ "the end of the reply" }, 10.minutes) {
            // It may call again with what the call before gave.
            if (app.chat.callHere != null) app.click("Allow")
            isOver()
        }
        app.click("call")
        app.take("tools-real")
    }
}

private fun wide(into: File, settings: Settings) = Screenshots(into, settings, 1000, 700).use { app ->
    for (index in listOf(2, 4, 0)) {
        app.send(Fixture.questions[index])
        app.click("Send this conversation")
        app.written()
        if (index != 0) app.click("New conversation")
    }
    app.take("wide")
}

fun main(arguments: Array<String>) {
    val into = File(arguments[0]).apply { mkdirs() }
    if (arguments.size > 1) {
        val (model, endpoint, fingerprint) = arguments.drop(1)
        real(into, model, endpoint, fingerprint)
        exitProcess(0)
    }
    for (theme in listOf(Theme.LIGHT, Theme.DARK)) {
        val name = theme.name.lowercase()
        val shown = { server: String ->
            val settings = Fixture.settings(server).copy(theme = theme, temperature = 0.7f)
            settings.copy(goal = GoalChoice.SHARE_SENT, goalValue = 0.3f)
        }
        chat(into, name, shown("server").copy(mode = Mode.EXACT))
        offline(into, name, shown("weather"))
    }
    for (theme in listOf(Theme.LIGHT, Theme.DARK)) {
        markdown(into, theme.name.lowercase(), Fixture.settings("server").copy(theme = theme))
        pairing(into, theme.name.lowercase(), Fixture.settings("server").copy(theme = theme))
        tools(into, theme.name.lowercase(), Fixture.settings("server").copy(theme = theme, mode = Mode.EXACT))
    }
    markdown(into, "large", Fixture.settings("server").copy(theme = Theme.LIGHT), fontScale = 1.8f)
    Locale.setDefault(Locale.GERMANY)
    Screenshots(into, Fixture.settings("server").copy(theme = Theme.LIGHT)).use { app ->
        app.click("controls")
        app.take("german")
    }
    Locale.setDefault(Locale.ENGLISH)
    wide(into, Fixture.settings("server").copy(theme = Theme.LIGHT, temperature = 0.7f))
    exitProcess(0)
}
