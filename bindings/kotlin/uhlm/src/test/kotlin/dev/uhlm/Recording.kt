package dev.uhlm

/** A real session that records what its generations gave to the layer, the events after a cancel included. */
internal class RecordingSession(private val session: UhlmSession) : UhlmSessionInterface by session {
    val generations = mutableListOf<RecordingGeneration>()

    override fun start(prompt: Prompt, options: GenerationOptions): UhlmGeneration =
        RecordingGeneration(session.start(prompt, options)).also { generations += it }
}

internal class RecordingGeneration(private val generation: UhlmGeneration) : UhlmGeneration(NoHandle) {
    val events = mutableListOf<GenerationEvent>()

    override suspend fun nextEvents(): List<GenerationEvent> = generation.nextEvents().also { events += it }

    override fun cancel() = generation.cancel()

    override fun destroy() {
        generation.destroy()
        super.destroy()
    }

    val statistics: Statistics get() = (events.last() as GenerationEvent.Finished).statistics
}

internal fun List<GenerationEvent>.committedText() =
    filterIsInstance<GenerationEvent.Committed>().joinToString("") { it.token.text }

internal fun List<GenerationEvent>.origins() = filterIsInstance<GenerationEvent.Committed>().map { it.origin }.toSet()
