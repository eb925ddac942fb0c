package dev.uhlm.demo.desktop

import dev.uhlm.FinishReason
import dev.uhlm.GenerationEvent
import dev.uhlm.GenerationOptions
import dev.uhlm.NoHandle
import dev.uhlm.Origin
import dev.uhlm.OriginCounts
import dev.uhlm.Prompt
import dev.uhlm.Statistics
import dev.uhlm.TokenText
import dev.uhlm.ToolCall
import dev.uhlm.ToolException
import dev.uhlm.ToolResult
import dev.uhlm.ToolRunner
import dev.uhlm.ToolUse
import dev.uhlm.UhlmGeneration
import dev.uhlm.UhlmSessionInterface
import dev.uhlm.demo.chat.Sessions
import dev.uhlm.demo.settings.Settings

/** A call of the app's calculator. */
internal val sum = ToolCall("call00001", "calculate", """{"expression": "12.5 * 8"}""")

/**
 * Sessions whose replies are written by hand and call a tool: the demo pair calls none. What runs the tool is the
 * app's, and the conversation is held by the library.
 */
internal class CallingSessions(private val real: Sessions, private val call: ToolCall) : Sessions by real {
    private val sessions = mutableMapOf<UhlmSessionInterface, CallingSession>()
    private var replies = 0

    override suspend fun session(conversation: String, settings: Settings): UhlmSessionInterface =
        calling(real.session(conversation, settings))

    override fun opened(conversation: String): UhlmSessionInterface? = real.opened(conversation)?.let(::calling)

    private fun calling(session: UhlmSessionInterface) = sessions.getOrPut(session) {
        CallingSession(session) { call.copy(id = "call%05d".format(++replies)) }
    }
}

private class CallingSession(
    private val real: UhlmSessionInterface,
    private val call: () -> ToolCall,
) : UhlmSessionInterface by real {
    private var runner: ToolRunner? = null

    override fun setToolRunner(runner: ToolRunner?) {
        this.runner = runner
    }

    override fun start(prompt: Prompt, options: GenerationOptions): UhlmGeneration {
        val call = call()
        val steps = ArrayDeque<suspend () -> GenerationEvent>()
        steps.add { says("I will calculate that.") }
        steps.add { GenerationEvent.ToolCall(call) }
        var content = ""
        steps.add {
            val result = checkNotNull(runner).answer(call, asks = options.tools.usage == ToolUse.ASK)
            content = result.content
            GenerationEvent.ToolResult(result)
        }
        steps.add { says("The tool says: $content") }
        steps.add { GenerationEvent.Finished(FinishReason.END_OF_REPLY, "", "", statistics) }
        return Steps(steps)
    }
}

private fun says(text: String) = GenerationEvent.Committed(TokenText(1u, text, null), Origin.DRAFT)

/** As the library does it. */
private suspend fun ToolRunner.answer(call: ToolCall, asks: Boolean): ToolResult = try {
    if (asks && !allows(call)) throw ToolException.Failed("the user did not allow this call")
    ToolResult(call.id, call.name, run(call))
} catch (failure: ToolException.Failed) {
    ToolResult(call.id, call.name, "Error: ${failure.reason}", isFailure = true)
}

private class Steps(private val steps: ArrayDeque<suspend () -> GenerationEvent>) : UhlmGeneration(NoHandle) {
    override suspend fun nextEvents(): List<GenerationEvent> = listOfNotNull(steps.removeFirstOrNull()?.invoke())

    override fun cancel(): Unit = steps.clear()
}

private val statistics = Statistics(
    promptTokens = 20u, reusedTokens = 0u, tokens = 12u, origins = OriginCounts(12u, 0u, 0u, 0u), drafted = 12u,
    judged = 0u, rejected = 0u, skipped = 12u, rollbacks = 0u, rolledBack = 0u, verdicts = 0u, targetPasses = 0u,
    bodyUp = 0uL, bodyDown = 0uL, elapsedSeconds = 1.5, prefillSeconds = 0.25, firstTokenSeconds = 0.5,
    draftingSeconds = 0.75, waitingSeconds = 0.0, medianVerdictSeconds = null, tokensPerSecond = 8.0,
    transmissionRate = 0.0, trueSkipRate = 1.0, acceptanceRate = 0.0, targetPassesPerToken = 0.0,
)
