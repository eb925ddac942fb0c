package dev.uhlm.demo.desktop

import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.Trust
import java.io.File
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/**
 * The program `uhlm-fixture`: models on disk and verifiers on loopback, over real HTTPS. It ends when this process
 * does, because its standard input ends then.
 */
internal object Fixture {
    private val process: Process = run {
        val named = System.getProperty("uhlm.fixture")
        val program = checkNotNull(named) { "the system property uhlm.fixture names no program" }
        check(File(program).canExecute()) { "$program is missing: run `cargo xtask test --only android-demo`" }
        ProcessBuilder(program).redirectError(ProcessBuilder.Redirect.INHERIT).start()
    }
    private val answers = process.inputReader()
    private val commands = process.outputWriter()
    private val facts = read()

    val draft = text("draft")
    val questions = facts.getValue("questions").jsonArray.map { it.jsonPrimitive.content }

    /** Settings for the demo pair and one of the fixture's verifiers: `server`, `guarded` or `weather`. */
    fun settings(server: String): Settings {
        val remote = facts.getValue(server).jsonObject
        return Settings(
            endpoint = remote.getValue("url").jsonPrimitive.content,
            trust = Trust.FINGERPRINT,
            trustValue = remote.getValue("fingerprint").jsonPrimitive.content,
            model = draft,
            calibration = text("calibration"),
            temperature = 0f,
            maxTokens = 96,
        )
    }

    val guardedToken: String get() = facts.getValue("guarded").jsonObject.getValue("token").jsonPrimitive.content

    /** Sets what the proxy before `weather` does: `clear`, `resets`, `blackhole` or `stall`. */
    @Synchronized
    fun weather(kind: String) {
        commands.write("weather $kind\n")
        commands.flush()
        val answer = read()
        check("error" !in answer) { "uhlm-fixture on `weather $kind`: $answer" }
    }

    private fun read(): JsonObject =
        Json.parseToJsonElement(checkNotNull(answers.readLine()) { "uhlm-fixture ended" }).jsonObject

    private fun text(name: String) = facts.getValue(name).jsonPrimitive.content
}

/** How long a test waits for what must come: far more than it takes, for machines that do much else. */
internal val patience = 60.seconds

/** Waits until [holds], for at most [longest]; [what] says what was waited for in vain. */
internal fun eventually(what: () -> String, longest: Duration = patience, holds: () -> Boolean) {
    val start = TimeSource.Monotonic.markNow()
    while (!holds()) {
        check(start.elapsedNow() < longest) { "waited in vain: " + what() }
        Thread.sleep(20)
    }
}
