package dev.uhlm

/**
 * Loads a GGUF file and reports how far it is. Suspends as long as reading the file takes; cancelling ends the load.
 *
 * @param options the file and how it is loaded.
 * @param progress takes the share that is loaded, in [0, 1], on the loading thread; false ends the load. What it throws ends
 * the load, too, and is thrown from here.
 * @throws UhlmException.ModelNotFound
 * @throws UhlmException.ModelDamaged
 * @throws UhlmException.ModelUnsupported
 * @throws UhlmException.LoadCancelled after [progress] returned false.
 */
public suspend fun UhlmEngine.Companion.load(options: ModelOptions, progress: (Float) -> Boolean): UhlmEngine {
    val guarded = GuardedProgress(progress)
    return try {
        load(options, guarded)
    } catch (cancelled: UhlmException.LoadCancelled) {
        throw guarded.failure ?: cancelled
    }
}

/** An exception must not reach the loading thread: there it would be taken for a failure of the model. */
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
