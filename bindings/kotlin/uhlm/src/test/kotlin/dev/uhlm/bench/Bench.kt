package dev.uhlm.bench

import dev.uhlm.FixtureFacts
import dev.uhlm.GenerationEvent
import dev.uhlm.GenerationOptions
import dev.uhlm.Mode
import dev.uhlm.ModelOptions
import dev.uhlm.Prompt
import dev.uhlm.SamplingParams
import dev.uhlm.SessionOptions
import dev.uhlm.UhlmEngine
import dev.uhlm.UhlmSession
import dev.uhlm.generate
import java.io.File
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.DurationUnit.MICROSECONDS
import kotlin.time.DurationUnit.SECONDS
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

/**
 * Answers commands on standard input, one line of JSON each: what going through Kotlin costs, for a comparison with the
 * same done in Rust. The argument is a file with the first line of `uhlm-fixture`.
 */
fun main(arguments: Array<String>) {
    val facts = FixtureFacts.parse(File(arguments.single()).readText())
    val bench = Bench(facts)
    for (command in generateSequence(::readlnOrNull)) {
        println(
            when (command.trim()) {
                "speed" -> runBlocking(Dispatchers.Default) { bench.speed() }
                "steady" -> runBlocking(Dispatchers.Default) { bench.steady() }
                "cancel" -> runBlocking(Dispatchers.Default) { bench.cancel() }
                "quit" -> return
                else -> """{"error":"unknown command"}"""
            },
        )
        System.out.flush()
    }
}

private class Bench(private val facts: FixtureFacts) {
    private val options =
        SessionOptions(mode = Mode.DEVICE_ONLY, sampling = SamplingParams(temperature = 0f), threads = 1u)
    private val draft = lazy { runBlocking { UhlmEngine.load(ModelOptions(facts.draft)) } }

    /** One session for all of them, as in the other languages: what it has learnt of the model's passes stays. */
    private val heavy =
        lazy { runBlocking { UhlmEngine.load(ModelOptions(facts.heavy)).openSession(options = options) } }

    /**
     * Generates all questions, each in a session of its own that has a context already. The time is that of generating.
     */
    suspend fun speed(): String {
        var tokens = 0L
        var time = Duration.ZERO
        for (question in facts.questions) {
            draft.value.openSession(options = options).use { session ->
                session.warmUp()
                val start = System.nanoTime()
                session.generate(question, GenerationOptions(maxTokens = 96u)).collect {
                    if (it is GenerationEvent.Committed) tokens++
                }
                time += (System.nanoTime() - start).nanoseconds
            }
        }
        return """{"tokens":$tokens,"seconds":${time.toDouble(SECONDS)}}"""
    }

    /** One long reply of the model whose step takes milliseconds. */
    suspend fun steady(): String {
        var tokens = 0L
        val start = System.nanoTime()
        heavy.value.generate(Prompt.Raw("go"), GenerationOptions(maxTokens = 96u)).collect {
            if (it is GenerationEvent.Committed) tokens++
        }
        val time = (System.nanoTime() - start).nanoseconds
        return """{"tokens":$tokens,"seconds":${time.toDouble(SECONDS)}}"""
    }

    /** From the cancel of the coroutine until nothing is decoded any more, beside the time of one decode step. */
    suspend fun cancel(): String {
        val session = heavy.value
        val tenth = CompletableDeferred<Unit>()
        var commits = 0
        var first = 0L
        var step = Duration.ZERO
        val scope = CoroutineScope(Dispatchers.Default)
        val job = scope.launch {
            session.generate(Prompt.Raw("cancel"), GenerationOptions(maxTokens = 1000u)).collect { event ->
                if (event is GenerationEvent.Committed) {
                    commits++
                    if (commits == 1) first = System.nanoTime()
                    if (commits == 10) {
                        step = (System.nanoTime() - first).nanoseconds / 9
                        tenth.complete(Unit)
                    }
                }
            }
        }
        tenth.await()
        val start = System.nanoTime()
        job.cancel()
        while (session.status().generating) Thread.onSpinWait()
        val took = (System.nanoTime() - start).nanoseconds
        job.join()
        return """{"micros":${took.toDouble(MICROSECONDS)},"stepMicros":${step.toDouble(MICROSECONDS)}}"""
    }

    /** The first generation of a session makes its context. */
    private suspend fun UhlmSession.warmUp() {
        generate(Prompt.Raw("go"), GenerationOptions(maxTokens = 1u)).collect {}
        reset()
    }
}
