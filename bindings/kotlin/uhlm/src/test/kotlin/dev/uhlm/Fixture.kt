package dev.uhlm

import java.io.BufferedReader
import java.io.File
import java.io.Writer
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long

/** What `uhlm-fixture` says of itself in its first line. */
internal class FixtureFacts(private val facts: JsonObject) {
    val draft = path("draft")
    val damaged = path("damaged")
    val missing = path("missing")
    val parrot = path("parrot")
    val parrotText = path("parrotText")

    /** A model that calls the tool `get_weather` in every reply. */
    val caller = path("caller")
    val heavy = path("heavy")
    val calibration = path("calibration")
    val questions = facts.getValue("questions").jsonArray.map { it.jsonPrimitive.content }

    val server = remote("server")
    val guarded = remote("guarded")
    val guardedToken = facts.getValue("guarded").jsonObject.getValue("token").jsonPrimitive.content
    val parrotServer = remote("parrotServer")
    val weather = remote("weather")

    /** Computes one row of a pass at a time: its logits do not depend on what shares a batch. */
    val steady = remote("steady")

    val models = FixtureModels(facts.getValue("models").jsonObject)

    private fun path(name: String) = facts.getValue(name).jsonPrimitive.content

    private fun remote(name: String): RemoteOptions {
        val server = facts.getValue(name).jsonObject.mapValues { it.value.jsonPrimitive.content }
        return RemoteOptions(server.getValue("url"), TrustPolicy.Fingerprint(server.getValue("fingerprint")))
    }

    companion object {
        fun parse(line: String) = FixtureFacts(Json.parseToJsonElement(line).jsonObject)
    }
}

/** The models that the fixture serves: the demo draft in one file and in three parts. */
internal class FixtureModels(private val facts: JsonObject) {
    val trust = TrustPolicy.Pem(text("roots"))
    val whole = text("whole")
    val wholeSha256 = text("wholeSha256")
    val split = text("split")
    val splitSha256 = facts.getValue("splitSha256").jsonArray.map { it.jsonPrimitive.content }

    /** A verifier that answers every request with 503. */
    val busyVerifier = RemoteOptions(text("busyVerifier"), trust)

    private fun text(name: String) = facts.getValue(name).jsonPrimitive.content
}

/** How many of what the fixture's server holds. */
internal data class ServerMetrics(val sessions: Long, val sequences: Long, val queued: Long)

/**
 * The program `uhlm-fixture`: models on disk and verifiers on loopback, over real HTTPS. It ends when this process
 * does, because its standard input ends then.
 */
internal object Fixture {
    private val process: Process = run {
        val named = System.getProperty("uhlm.fixture")
        val program = checkNotNull(named) { "the system property uhlm.fixture names no program" }
        check(File(program).canExecute()) { "$program is missing: run `cargo xtask test --only kotlin`" }
        ProcessBuilder(program).redirectError(ProcessBuilder.Redirect.INHERIT).start()
    }
    private val answers: BufferedReader = process.inputReader()
    private val commands: Writer = process.outputWriter()

    val facts: FixtureFacts = FixtureFacts.parse(checkNotNull(answers.readLine()) { "uhlm-fixture ended at once" })

    /** Sets what the proxy before `weather` does: `clear`, `resets`, `blackhole` or `stall`. */
    fun weather(kind: String) {
        ask("weather $kind")
    }

    fun metrics(): ServerMetrics {
        val answer = ask("metrics").mapValues { it.value.jsonPrimitive.long }
        fun number(name: String) = answer.getValue(name)
        return ServerMetrics(number("sessions"), number("sequences"), number("queued"))
    }

    @Synchronized
    private fun ask(command: String): JsonObject {
        commands.write("$command\n")
        commands.flush()
        val line = checkNotNull(answers.readLine()) { "uhlm-fixture ended" }
        val answer = Json.parseToJsonElement(line).jsonObject
        check("error" !in answer) { "uhlm-fixture on `$command`: $line" }
        return answer
    }
}

/** How long a test waits for what must come: far more than it takes, for machines that do much else. */
internal val patience: Duration = 20.seconds

/** Waits until [holds]; [what] says what was waited for in vain. */
internal fun eventually(what: () -> String, holds: () -> Boolean) {
    val start = TimeSource.Monotonic.markNow()
    while (!holds()) {
        check(start.elapsedNow() < patience) { what() }
        Thread.sleep(20)
    }
}

/** A test that suspends. Its type says that it gives nothing: JUnit passes over methods that do. */
internal fun testing(test: suspend CoroutineScope.() -> Unit): Unit = runBlocking { withTimeout(5.minutes, test) }
