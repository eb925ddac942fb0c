package dev.uhlm

import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext

/**
 * Returns a download as a cold flow: each collection starts one, or goes on with what an earlier one left.
 *
 * The last event is [DownloadEvent.Finished]. Cancelling the collecting coroutine stops the download before `cancel()`
 * returns; what was downloaded by then is kept. A collector that is slow is told the latest progress only.
 *
 * @param request the model that is wanted, and what is known of it.
 * @throws UhlmException from the collection: [ErrorKind.ChecksumMissing] where neither the request nor the repository
 * says which SHA-256 the file must have, unless [DownloadRequest.requireSha256] is false.
 */
public fun UhlmModelStoreInterface.downloadFlow(request: DownloadRequest): Flow<DownloadEvent> =
    events { download(request) }

/**
 * Returns the download of a kit's draft model as a cold flow, like that of a store. A model that is there already comes
 * at once.
 *
 * @param allowMetered true if it may be downloaded over a metered network.
 * @throws UhlmException from the collection.
 */
public fun UhlmKitInterface.downloadFlow(allowMetered: Boolean = false): Flow<DownloadEvent> =
    events { download(allowMetered) }

private fun events(start: () -> UhlmDownload): Flow<DownloadEvent> = flow {
    val download = start()
    var ended = false
    try {
        cancelling(download::cancel) {
            while (!ended) {
                val event = download.next()
                ended = event == null || event is DownloadEvent.Finished
                if (event != null) emit(event)
            }
        }
    } finally {
        withContext(NonCancellable) { download.end(ended) }
    }
}

/**
 * Stops what still runs and waits for its end. Until then the store would answer the next download of it with
 * [ErrorKind.Busy].
 */
private suspend fun UhlmDownload.end(ended: Boolean) {
    try {
        if (ended) return
        cancel()
        while (next() != null) {
            // Nobody is there to see it.
        }
    } catch (_: UhlmException) {
        // The end: of a cancelled download as of one that had failed.
    } finally {
        close()
    }
}
