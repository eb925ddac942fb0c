package dev.uhlm

import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext

/**
 * A download as a cold flow: each collection starts one, or goes on with what an earlier one left.
 *
 * The last event is [DownloadEvent.Finished]. Cancelling the collecting coroutine stops the download before `cancel()`
 * returns; what was loaded by then is kept. A collector that is slow is told the latest progress only.
 *
 * @param request which file is wanted, and what is known of it.
 * @throws ModelStoreException from the collection.
 */
public fun UhlmModelStoreInterface.downloadFlow(request: DownloadRequest): Flow<DownloadEvent> = flow {
    val download = download(request)
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

/** Stops what still runs and waits for its end: until then the store would answer the next download of it with an error. */
private suspend fun UhlmDownload.end(ended: Boolean) {
    try {
        if (ended) return
        cancel()
        while (next() != null) {
            // Nobody is there to see it.
        }
    } catch (_: ModelStoreException) {
        // The end: of a cancelled download as of one that had failed.
    } finally {
        close()
    }
}
