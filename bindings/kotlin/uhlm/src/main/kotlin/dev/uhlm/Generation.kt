package dev.uhlm

import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.withContext

/**
 * Returns the events of a reply as a cold flow: each collection starts a generation of its own.
 *
 * Events are pulled. A collector that is slow makes the models wait; no event is lost, and few are held. Cancelling the
 * collecting coroutine stops both models before `cancel()` returns, on whatever thread it is called. An exception of
 * the collector and operators such as `first()` or `take()` stop them, too. When the collection has ended, in whatever
 * way, the device decodes no more and the session can generate again.
 *
 * The last event is [GenerationEvent.Finished], also where [UhlmSession.shutDown] ended the generation. Only a flow
 * whose coroutine was cancelled ends without it.
 *
 * @param prompt the text to continue: a message of the person, or raw text.
 * @param options the options of this reply.
 * @throws UhlmException from the collection. Text that was committed before it stands.
 */
public fun UhlmSessionInterface.generate(
    prompt: Prompt,
    options: GenerationOptions = GenerationOptions(),
): Flow<GenerationEvent> = flow {
    val generation = start(prompt, options)
    var ended = false
    try {
        cancelling(generation::cancel) {
            while (!ended) {
                val events = generation.nextEvents()
                ended = events.isEmpty() || events.last() is GenerationEvent.Finished
                for (event in events) emit(event)
            }
        }
    } finally {
        withContext(NonCancellable) { generation.end(ended) }
    }
}

/**
 * Returns the events of the reply to the person's next message: [generate] with [Prompt.Chat].
 *
 * @param prompt the person's message.
 * @param options the options of this reply.
 * @throws UhlmException from the collection.
 */
public fun UhlmSessionInterface.generate(
    prompt: String,
    options: GenerationOptions = GenerationOptions(),
): Flow<GenerationEvent> = generate(Prompt.Chat(prompt), options)

/**
 * Returns the text of a reply, piece by piece, as it is committed. No piece is ever taken back, none is empty, and none
 * ends inside a character. The flow is cold, and is cancelled like that of [generate].
 *
 * @param prompt the text to continue: a message of the person, or raw text.
 * @param options the options of this reply.
 * @throws UhlmException from the collection.
 */
public fun UhlmSessionInterface.generateText(
    prompt: Prompt,
    options: GenerationOptions = GenerationOptions(),
): Flow<String> = generate(prompt, options).mapNotNull { event ->
    (event as? GenerationEvent.Committed)?.token?.text?.takeIf(String::isNotEmpty)
}

/**
 * Returns the text of the reply to the person's next message: [generateText] with [Prompt.Chat].
 *
 * @param prompt the person's message.
 * @param options the options of this reply.
 * @throws UhlmException from the collection.
 */
public fun UhlmSessionInterface.generateText(
    prompt: String,
    options: GenerationOptions = GenerationOptions(),
): Flow<String> = generateText(Prompt.Chat(prompt), options)

/**
 * A whole reply.
 *
 * @property text the text, as [GenerationEvent.Finished] has it.
 * @property reasoning the model's reasoning before the text; empty where there is none.
 * @property finish the reason for the end; [FinishReason.CANCELLED] if the session was shut down meanwhile.
 * @property statistics the counts, rates and times of the reply.
 * @property toolCalls the calls of tools that the model wrote, in order; those of the last round wait for their results
 * if [finish] is [FinishReason.TOOL_CALLS].
 */
public data class GenerationResult(
    public val text: String,
    public val reasoning: String,
    public val finish: FinishReason,
    public val statistics: Statistics,
    public val toolCalls: List<ToolCall> = emptyList(),
)

/**
 * Generates a reply and suspends until it is whole. Cancelling the coroutine stops both models, as in [generate].
 *
 * @param prompt the text to continue: a message of the person, or raw text.
 * @param options the options of this reply.
 * @throws IncompleteReplyException if the options have a grammar and a limit cuts the reply.
 * @throws UhlmException as [generate] does. Text that was committed before it stands in [UhlmSession.messages].
 */
public suspend fun UhlmSessionInterface.respond(
    prompt: Prompt,
    options: GenerationOptions = GenerationOptions(),
): GenerationResult {
    var result: GenerationResult? = null
    val calls = mutableListOf<ToolCall>()
    generate(prompt, options).collect { event ->
        if (event is GenerationEvent.ToolCall) calls += event.call
        if (event is GenerationEvent.Finished) {
            result = GenerationResult(event.text, event.reasoning, event.finish, event.statistics, calls)
        }
    }
    result?.requireWhole()
    return result ?: throw UhlmException.Failed(
        kind = ErrorKind.SessionClosed,
        reason = "the session was shut down",
        retryable = false,
        recovery = Recovery.OPEN_AGAIN,
    )
}

/** Throws where the reply was to have a form and ended before it had; one that the app ended is as it is. */
private fun GenerationResult.requireWhole() {
    if (statistics.grammarComplete == false && finish != FinishReason.CANCELLED) {
        throw IncompleteReplyException(text, finish)
    }
}

/**
 * Generates the reply to the person's next message: [respond] with [Prompt.Chat].
 *
 * @param prompt the person's message.
 * @param options the options of this reply.
 * @throws IncompleteReplyException if the options have a grammar and a limit cuts the reply.
 * @throws UhlmException as [generate] does.
 */
public suspend fun UhlmSessionInterface.respond(
    prompt: String,
    options: GenerationOptions = GenerationOptions(),
): GenerationResult = respond(Prompt.Chat(prompt), options)

/**
 * Stops what still runs, waits for its end (a decode step at most) and frees the handle. Until that end the session
 * would answer the next generation with [ErrorKind.Busy].
 */
private suspend fun UhlmGeneration.end(ended: Boolean) {
    try {
        if (ended) return
        cancel()
        while (nextEvents().isNotEmpty()) {
            // Nobody is there to see them.
        }
    } catch (_: UhlmException) {
        // The generation had failed while it was cancelled; its consumer is gone.
    } finally {
        close()
    }
}
