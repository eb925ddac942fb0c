package dev.uhlm

import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.withContext

/**
 * A generation as a cold flow: each collection starts one.
 *
 * Events are pulled, so a collector that is slow makes the models wait; none is lost and few are held. Cancelling the
 * collecting coroutine stops both models before `cancel()` returns, from whatever thread it is called. An exception of the
 * collector and operators such as `first()` or `take()` stop them, too. When the collection has ended, in whatever way, the
 * device decodes no more and the session can generate again.
 *
 * The last event of a flow that was not cancelled is [GenerationEvent.Finished]; it is the last one, too, where
 * [UhlmSession.shutDown] ended the generation.
 *
 * @param prompt what to continue.
 * @param options options of this reply.
 * @throws UhlmException from the collection. Text committed before it stands.
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
 * The person's next message of a conversation: [generate] with [Prompt.Chat].
 *
 * @throws UhlmException from the collection.
 */
public fun UhlmSessionInterface.generate(
    prompt: String,
    options: GenerationOptions = GenerationOptions(),
): Flow<GenerationEvent> = generate(Prompt.Chat(prompt), options)

/**
 * The text of a reply, piece by piece, as it is committed. No piece is ever taken back or empty, and none ends inside a
 * character. Cold and cancelled like [generate].
 *
 * @throws UhlmException from the collection.
 */
public fun UhlmSessionInterface.generateText(
    prompt: Prompt,
    options: GenerationOptions = GenerationOptions(),
): Flow<String> = generate(prompt, options).mapNotNull { event ->
    (event as? GenerationEvent.Committed)?.token?.text?.takeIf(String::isNotEmpty)
}

/**
 * The text of the reply to the person's next message: [generateText] with [Prompt.Chat].
 *
 * @throws UhlmException from the collection.
 */
public fun UhlmSessionInterface.generateText(
    prompt: String,
    options: GenerationOptions = GenerationOptions(),
): Flow<String> = generateText(Prompt.Chat(prompt), options)

/**
 * The whole of a reply.
 *
 * @property text the text, as [GenerationEvent.Finished] has it.
 * @property finish why it ended. [FinishReason.CANCELLED] where the session was shut down meanwhile.
 * @property statistics what it took.
 */
public data class GenerationResult(
    public val text: String,
    public val finish: FinishReason,
    public val statistics: Statistics,
)

/**
 * Generates a reply and suspends until it is whole. Cancelling the coroutine stops both models, as in [generate].
 *
 * @param prompt what to continue.
 * @param options options of this reply.
 * @throws UhlmException as [generate]; text committed before it stands in [UhlmSession.messages].
 */
public suspend fun UhlmSessionInterface.respond(
    prompt: Prompt,
    options: GenerationOptions = GenerationOptions(),
): GenerationResult {
    var result: GenerationResult? = null
    generate(prompt, options).collect { event ->
        if (event is GenerationEvent.Finished) {
            result = GenerationResult(event.text, event.finish, event.statistics)
        }
    }
    return result ?: throw UhlmException.SessionClosed("the session was shut down", false, Recovery.OPEN_AGAIN)
}

/**
 * Replies to the person's next message: [respond] with [Prompt.Chat].
 *
 * @throws UhlmException as [generate].
 */
public suspend fun UhlmSessionInterface.respond(
    prompt: String,
    options: GenerationOptions = GenerationOptions(),
): GenerationResult = respond(Prompt.Chat(prompt), options)

/**
 * Stops what still runs, waits for its end (a decode step at most) and frees the handle. Until that end the session would
 * answer the next generation with [UhlmException.Busy].
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
