package dev.uhlm

/**
 * Loads a GGUF file and reports how far it is. The call suspends for as long as reading the file takes; cancelling the
 * coroutine ends the load.
 *
 * @param options the file, and the way in which it is loaded.
 * @param progress takes the share of the file that is loaded, in [0, 1], on the loading thread, and returns false to
 * end the load. An exception ends the load, too, and is thrown from here.
 * @throws UhlmException of the kinds [ErrorKind.ModelNotFound], [ErrorKind.ModelDamaged],
 * [ErrorKind.ModelUnsupported] and [ErrorKind.NotEnoughMemory], and [ErrorKind.Cancelled] after [progress] returned
 * false.
 */
public suspend fun UhlmEngine.Companion.load(options: ModelOptions, progress: (Float) -> Boolean): UhlmEngine {
    val guarded = GuardedProgress(progress)
    return try {
        load(options, guarded)
    } catch (error: UhlmException) {
        throw guarded.failure ?: error
    }
}

/** Keeps exceptions from the loading thread, where they would be taken for a failure of the model. */
internal class GuardedProgress(private val progress: (Float) -> Boolean) : LoadProgress {
    @Volatile
    var failure: Throwable? = null
        private set

    override fun loaded(share: Float): Boolean = try {
        failure == null && progress(share)
    } catch (thrown: Throwable) {
        failure = thrown
        false
    }
}
