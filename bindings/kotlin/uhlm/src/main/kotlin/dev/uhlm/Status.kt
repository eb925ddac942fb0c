package dev.uhlm

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.stateIn

/**
 * The session's status and each change of it, as a cold flow that ends when the session is shut down. A change and back that
 * the collector was too slow to see is left out. Collecting does not keep the session alive.
 *
 * @throws UhlmException.SessionClosed from the collection, if the session was shut down before it began.
 */
public fun UhlmSessionInterface.statusFlow(): Flow<SessionStatus> = flow {
    statusUpdates().use { updates ->
        var status: SessionStatus? = null
        while (true) {
            val next = updates.next() ?: break
            emit(next)
            status = next
        }
        // Nothing runs in a session that is gone.
        if (status?.generating == true) emit(status.copy(generating = false))
    }
}

/**
 * The session's status as a state for a view to show.
 *
 * @param scope where the status is watched; mostly a view model's.
 * @param started when it is watched. The default watches from now on.
 * @throws UhlmException.SessionClosed if the session was shut down.
 */
public fun UhlmSessionInterface.statusIn(
    scope: CoroutineScope,
    started: SharingStarted = SharingStarted.Eagerly,
): StateFlow<SessionStatus> = statusFlow().stateIn(scope, started, status())
