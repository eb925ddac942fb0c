package dev.uhlm

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.stateIn

/**
 * Returns the session's status and each change of it, as a cold flow that ends when the session is shut down. A status
 * that was replaced before the collector asked for it is left out. Collecting does not keep the session alive.
 *
 * @throws UhlmException of the kind [ErrorKind.SessionClosed], from the collection, if the session was shut down before
 * it began.
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
 * Returns the session's status as a state for a view to show.
 *
 * @param scope the scope in which the status is watched, mostly that of a view model.
 * @param started when the status is watched. The default watches from now on.
 * @throws UhlmException of the kind [ErrorKind.SessionClosed] if the session was shut down.
 */
public fun UhlmSessionInterface.statusIn(
    scope: CoroutineScope,
    started: SharingStarted = SharingStarted.Eagerly,
): StateFlow<SessionStatus> = statusFlow().stateIn(scope, started, status())
