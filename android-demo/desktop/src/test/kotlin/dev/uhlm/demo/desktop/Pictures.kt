package dev.uhlm.demo.desktop

import dev.uhlm.Mode
import dev.uhlm.Recovery
import dev.uhlm.ToolCall
import dev.uhlm.demo.settings.GoalChoice
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.Theme
import dev.uhlm.demo.storage.Entry
import java.io.File
import java.util.Locale
import kotlin.system.exitProcess

/** How the same screens are pictured. Each look has the ending of its pictures' names. */
internal enum class Look(val theme: Theme, val fontScale: Float = 1f) {
    LIGHT(Theme.LIGHT),
    DARK(Theme.DARK),
    LARGE(Theme.LIGHT, fontScale = 1.8f);

    val ending: String get() = name.lowercase()
}

/** The pictures of `screenshots/` in one look, on the demo pair; each part starts the app for itself. */
private class Pictures(private val into: File, private val look: Look) {
    private val plain = Fixture.settings("server").copy(theme = look.theme)
    private val exact = plain.copy(mode = Mode.EXACT)
    private val alone = plain.copy(mode = Mode.DEVICE_ONLY)

    val parts: Map<String, () -> Unit> = mapOf(
        "chat" to ::chat,
        "offline" to ::offline,
        "markdown" to ::markdown,
        "list" to ::list,
        "problem" to ::problem,
        "full" to ::full,
        "pairing" to ::pairing,
        "tools" to ::tools,
        "elsewhere" to ::elsewhere,
    )

    private fun app(
        settings: Settings,
        kept: List<Entry> = emptyList(),
        calling: ToolCall? = null,
        millis: Long = 40,
        use: (Screenshots) -> Unit,
    ) = Screenshots(into, settings, 420, 860, look.fontScale, kept, calling, millis).use(use)

    private fun Screenshots.picture(name: String, settles: Boolean = true) = take("$name-${look.ending}", settles)

    private fun chat() {
        val settings = exact.copy(temperature = 0.7f, goal = GoalChoice.SHARE_SENT, goalValue = 0.3f)
        app(settings) { app ->
            app.picture("welcome")
            app.send(Fixture.questions[0])
            app.see("consent")
            app.picture("consent")
            app.click("Send this conversation")
            app.written()
            app.send(Fixture.questions[5])
            app.written()
            app.click("Details")
            app.picture("answered")
            app.send(Fixture.questions[9])
            eventually({ "a reply on its way" }) {
                val (here, reply) = app.chat.writingHere to app.reply
                val isFull = here?.figures != null && here.provisional.length > 3 && reply?.text.orEmpty().length > 12
                reply?.end != null || isFull
            }
            app.picture("streaming", settles = false)
            app.written()
            app.click("controls")
            app.see("context")
            app.picture("controls")
            app.click("controls")
            app.open("Who wrote what", "legend")
            app.click("Colour every word by who wrote it")
            app.picture("legend")
            app.click("OK")
            app.picture("tinted")
            app.change { it.copy(tinted = false) }
            pages(app)
        }
    }

    /** What the menu leads to, from a conversation that was had. */
    private fun pages(app: Screenshots) {
        app.open("What was sent", "sent")
        app.picture("sent")
        app.click("Back")
        app.open("Settings", "settings")
        // Where the file lies on this machine is nobody's business.
        app.change { it.copy(calibration = "") }
        app.picture("settings")
        app.click("Back")
        app.open("Speed", "speed")
        app.click("Measure now")
        app.measured()
        app.picture("speed")
        app.click("Back")
        app.open("Models", "models")
        app.bring("second-model.gguf")
        app.download()
        app.picture("download")
        app.click("Back")
        app.click("model")
        app.picture("picker")
    }

    private fun offline() = app(Fixture.settings("weather").copy(theme = look.theme, temperature = 0.7f)) { app ->
        Fixture.weather("resets")
        app.send(Fixture.questions[0])
        app.click("Send this conversation")
        app.written()
        for (question in Fixture.questions.drop(1)) {
            if (app.chat.offline) break
            app.send(question)
            app.written()
        }
        app.picture("offline")
        Fixture.weather("clear")
    }

    /** A message, what a model thought about it and wrote, and the way to say it differently. */
    private fun markdown() = app(plain, kept = sortingInKotlin) { app ->
        app.picture("markdown")
        app.scroll(-30)
        app.click("thoughts")
        app.picture("thoughts")
        app.click("You: How do I sort a list of people by age in Kotlin?")
        app.picture("message-menu")
        app.click("Edit")
        app.picture("editing")
    }

    /** The list of conversations, searched, and one of them renamed. */
    private fun list() = app(alone, kept = sortingInKotlin) { app ->
        for (index in listOf(2, 4, 0)) {
            app.open(null)
            app.send(Fixture.questions[index])
            app.written()
        }
        app.click("Conversations")
        app.picture("list")
        app.click("search")
        app.type("sort")
        app.picture("list-search")
        app.click("More about Sorting in Kotlin")
        app.click("Rename")
        app.picture("list-rename")
    }

    private fun problem() = app(exact, kept = failure(Recovery.CHECK_ENDPOINT)) { it.picture("problem") }

    private fun full() = app(alone, kept = nearlyFull, millis = 0) { app ->
        app.send(Fixture.questions[0])
        app.written()
        app.click("controls")
        app.see("context")
        app.picture("nearly-full")
    }

    private fun pairing() = app(plain) { app ->
        app.pair("uhlm://verifier")
        app.picture("pairing-malformed")
        app.click("OK")
        val fingerprint = "3fa19c04d27be856".repeat(4)
        app.pair("uhlm://verifier?url=https%3A%2F%2F192.168.1.5%3A8443&token=a&sha256=$fingerprint")
        app.picture("pairing")
        app.click("Pair")
        app.picture("pairing-done")
        app.click("OK")
        app.open("Settings", "settings")
        app.scroll(18)
        app.picture("notices")
    }

    /** The demo pair calls no tool: the replies are written by hand, and the calculator is the app's. */
    private fun tools() {
        app(exact.copy(tools = true), calling = sum) { app ->
            for (question in listOf("How much are eight tickets at 12.50?", "And once more?")) {
                app.send(question)
                if (app.chat.question != null) {
                    app.picture("tools-consent")
                    app.click("Send this conversation")
                }
                eventually({ "the question" }) { app.chat.callHere != null }
                app.see("tool")
                app.picture("tools-question")
                app.click("Allow")
                app.written()
                app.click("call")
            }
            app.click("call")
            app.picture("tools-called")
            app.open("Settings", "settings")
            app.change { it.copy(calibration = "") }
            app.scroll(30)
            app.picture("tools-settings")
        }
    }

    /** A tool that is asked for in a conversation which nobody looks at. */
    private fun elsewhere() = app(alone.copy(tools = true), kept = sortingInKotlin, calling = sum) { app ->
        val here = app.chat.open
        app.open(null)
        app.send("How much are eight tickets at 12.50?")
        app.see("tool")
        app.open(here)
        app.see("asking")
        app.picture("tools-elsewhere")
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

private fun german(into: File, settings: Settings) {
    Locale.setDefault(Locale.GERMANY)
    Screenshots(into, settings).use { app ->
        app.click("controls")
        app.take("german")
    }
    Locale.setDefault(Locale.ENGLISH)
}

/** Takes the pictures: into a folder, and of a real pair alone where a model and its server are named. */
fun main(arguments: Array<String>) {
    val into = File(arguments[0]).apply { mkdirs() }
    val all = buildList {
        fun add(look: Look, parts: Map<String, () -> Unit>) =
            parts.forEach { (part, take) -> add(setOf(part, look.ending) to take) }
        if (arguments.size > 1) {
            val (model, endpoint, fingerprint) = arguments.drop(1)
            for (look in listOf(Look.LIGHT, Look.DARK)) {
                add(look, RealPictures(into, look, model, endpoint, fingerprint).parts)
            }
        } else {
            for (look in Look.entries) add(look, Pictures(into, look).parts)
            val light = Fixture.settings("server").copy(theme = Theme.LIGHT)
            add(setOf("german") to { german(into, light) })
            add(setOf("wide") to { wide(into, light.copy(temperature = 0.7f)) })
        }
    }
    val wanted = System.getenv("PICTURES")?.split(' ')
    for ((names, take) in all) if (wanted == null || names.any { it in wanted }) take()
    exitProcess(0)
}
