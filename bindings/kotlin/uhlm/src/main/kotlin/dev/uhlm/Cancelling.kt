package dev.uhlm

import kotlin.coroutines.resume
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.suspendCancellableCoroutine

/**
 * Runs [block] and calls [onCancel] if the calling coroutine is cancelled or [block] throws.
 *
 * A cancellation calls it on the thread that cancels, before `cancel()` returns. A `finally` would have to wait until
 * the coroutine's dispatcher is free.
 */
internal suspend fun cancelling(onCancel: () -> Unit, block: suspend () -> Unit): Unit = coroutineScope {
    var watch: CancellableContinuation<Unit>? = null
    launch(start = CoroutineStart.UNDISPATCHED) {
        suspendCancellableCoroutine { continuation ->
            continuation.invokeOnCancellation { onCancel() }
            watch = continuation
        }
    }
    block()
    watch?.resume(Unit)
}
