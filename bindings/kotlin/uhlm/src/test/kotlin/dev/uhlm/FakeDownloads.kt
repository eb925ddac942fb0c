package dev.uhlm

import kotlinx.coroutines.CompletableDeferred

/** A store whose downloads a test plays, one after the other; the last one is given again and again. */
internal class FakeStore(vararg downloads: UhlmDownload) : UhlmModelStoreInterface {
    private val downloads = ArrayDeque(downloads.toList())
    val requests = mutableListOf<DownloadRequest>()
    val told = mutableListOf<Boolean>()

    override fun download(request: DownloadRequest): UhlmDownload {
        requests += request
        return if (downloads.size > 1) downloads.removeFirst() else downloads.first()
    }

    override fun setMetered(metered: Boolean) {
        told += metered
    }

    override suspend fun adopt(path: String, name: String, sha256: String?, source: String?): StoredModel =
        throw UnsupportedOperationException()

    override suspend fun delete(name: String): ULong = throw UnsupportedOperationException()
    override suspend fun files(request: DownloadRequest): List<RemoteFile> = throw UnsupportedOperationException()
    override suspend fun list(): List<StoredModel> = throw UnsupportedOperationException()
    override suspend fun unfinished(): List<UnfinishedModel> = throw UnsupportedOperationException()
    override suspend fun verify(name: String): Boolean = throw UnsupportedOperationException()
}

/** Gives the events, then waits until it is cancelled. */
internal open class FakeDownload(vararg events: DownloadEvent) : UhlmDownload(NoHandle) {
    private val events = ArrayDeque(events.toList())
    private val cancelled = CompletableDeferred<Unit>()
    val log = mutableListOf<String>()

    override suspend fun next(): DownloadEvent? {
        events.removeFirstOrNull()?.let { return it }
        cancelled.await()
        throw failed(ErrorKind.Cancelled)
    }

    override fun cancel() {
        log += "cancel"
        cancelled.complete(Unit)
    }

    override fun destroy() {
        log += "close"
        super.destroy()
    }
}

/** Fails at once. */
internal class FailingDownload(private val error: UhlmException) : FakeDownload() {
    override suspend fun next(): DownloadEvent? = throw error
}
