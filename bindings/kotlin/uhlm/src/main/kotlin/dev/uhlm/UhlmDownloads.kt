package dev.uhlm

import java.io.File
import java.io.IOException
import java.util.concurrent.ConcurrentHashMap
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.emitAll
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.transformWhile
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.job
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext

/**
 * Downloads that go on by themselves: while nobody looks, after a network that broke, and, with a scheduler that
 * outlives the process, after its end. On Android `UhlmAndroid.downloads` makes one on the system's scheduler;
 * elsewhere [InProcessScheduler] serves.
 *
 * There is one download of a name at a time. What may pass (no network, a server that is busy, a metered network) is
 * waited for; every other error ends the download as [DownloadState.Failed]. Any thread may call, and no call blocks.
 *
 * @param store makes the store that a download goes into, before each run of one; with the app's tokens, which are
 * kept nowhere else. It may block.
 * @param folder where the downloads that have not ended are noted.
 * @param scheduler decides when downloads run.
 * @param io where [store] and the notes are called.
 */
public class UhlmDownloads(
    private val store: () -> UhlmModelStoreInterface,
    folder: File,
    private val scheduler: DownloadScheduler,
    private val io: CoroutineDispatcher = Dispatchers.IO,
) {
    private class Run(val job: Job) {
        @Volatile
        var store: UhlmModelStoreInterface? = null
    }

    private val records = DownloadRecords(folder)
    private val known = ConcurrentHashMap<String, DownloadRecord>()
    private val running = ConcurrentHashMap<String, Run>()
    private val lock = Mutex()
    private var isRead = false
    private val mutable = MutableStateFlow<Map<String, DownloadState>>(emptyMap())

    @Volatile
    private var metered = false

    /**
     * The downloads that have not ended, those that failed, and those that were finished since the process began, by
     * name. It is empty before the first call of another member.
     */
    public val states: StateFlow<Map<String, DownloadState>> = mutable.asStateFlow()

    /** Finds the downloads that an earlier process left, and schedules those that the scheduler has lost. */
    public suspend fun restore(): Unit = locked {}

    /**
     * Starts a download, or goes on with what an earlier one left. One that is on its way under the same name goes on
     * as it is; while it waits, the request may allow or forbid metered networks anew.
     *
     * @return its name: the request's, or else that of the file in its first source.
     * @throws UhlmException of the kind [ErrorKind.StorageFailed] where the download cannot be noted, and
     * [ErrorKind.InvalidOptions] where the request has neither a name nor a source.
     */
    public suspend fun start(request: DownloadRequest): String {
        val name = request.name ?: request.sources.firstOrNull()?.fileName().orEmpty()
        if (name.isEmpty()) throw failure(ErrorKind.InvalidOptions, Recovery.FIX_OPTIONS, "the request names no file")
        locked {
            val before = known[name]
            // Only another word on metered networks is a reason to schedule it anew.
            val isAsBefore = before?.request?.allowMetered == request.allowMetered
            if (before != null && before.failure == null && (running.containsKey(name) || isAsBefore)) return@locked
            val record = DownloadRecord(before?.id ?: freeId(), name, request)
            keep(record)
            show(name, record.state)
            schedule(record)
        }
        return name
    }

    /**
     * Starts the download of a kit's draft model, which must have a store of the same folder as this.
     *
     * @param allowMetered true if it may be downloaded over a metered network.
     * @return its name.
     * @throws UhlmException as [start] does for a request.
     */
    public suspend fun start(kit: UhlmKitInterface, allowMetered: Boolean = false): String {
        val request = kit.pair().draft.request
            ?: throw failure(ErrorKind.InvalidOptions, Recovery.FIX_OPTIONS, "the draft model cannot be downloaded")
        return start(request.copy(allowMetered = allowMetered))
    }

    /**
     * Returns a download as a cold flow, which starts it and ends with [DownloadState.Finished], with
     * [DownloadState.Failed], or when it is cancelled by name. Leaving the collection does not stop the download.
     */
    public fun download(request: DownloadRequest): Flow<DownloadState> = flow {
        val name = start(request)
        val own = states.map { it[name] }
        emitAll(
            own.transformWhile { state ->
                if (state != null) emit(state)
                state is DownloadState.Waiting || state is DownloadState.Running
            },
        )
    }

    /** Stops a download and forgets it. What was received is kept, and a later download goes on from there. */
    public suspend fun cancel(name: String) {
        locked {
            val record = known.remove(name) ?: return@locked
            records.remove(record)
            scheduler.cancel(record.task)
        }
        // Until then the store would answer the next download of it with `Busy`.
        running[name]?.job?.run {
            cancel()
            join()
        }
        mutable.update { it - name }
    }

    /** Forgets a download that has ended, so that [states] no longer has it. */
    public suspend fun forget(name: String): Unit = locked {
        val record = known[name]
        if (record != null && record.failure == null) return@locked
        if (record != null) records.remove(record)
        known -= name
        mutable.update { it - name }
    }

    /** Takes note of whether the network is metered. Downloads that may not run on such a one wait for another. */
    public fun setMetered(metered: Boolean) {
        this.metered = metered
        running.values.forEach { it.store?.setMetered(metered) }
    }

    /**
     * Runs a download until it ends, is cancelled, or cannot go on for now. For schedulers. Cancelling the coroutine
     * leaves the download to a later run.
     *
     * @return what the scheduler is to do next.
     */
    public suspend fun run(name: String): DownloadOutcome = try {
        coroutineScope {
            val run = Run(coroutineContext.job)
            // One that is being stopped, or that the person started meanwhile, has its turn first.
            while (true) (running.putIfAbsent(name, run) ?: break).job.join()
            var record: DownloadRecord? = null
            val end = try {
                record = locked { known[name]?.takeIf { it.failure == null } }
                record?.let { load(it, run) }
            } finally {
                running.remove(name, run)
            }
            // Not before the turn is over: who sees the end may start the download again.
            if (record == null || end == null) return@coroutineScope DownloadOutcome.DONE
            withContext(NonCancellable) { ended(record, end) }
        }
    } catch (stopped: CancellationException) {
        val record = known[name] ?: return DownloadOutcome.DONE
        if (!running.containsKey(name)) show(name, record.state)
        throw stopped
    }

    private suspend fun load(record: DownloadRecord, run: Run): DownloadState? {
        val store = withContext(io) { store() }
        run.store = store
        store.setMetered(metered)
        var end: DownloadState? = null
        try {
            store.downloadFlow(record.request).collect { event ->
                when (event) {
                    is DownloadEvent.Progress -> show(record.name, DownloadState.Running(event))
                    is DownloadEvent.Finished -> end = DownloadState.Finished(event.model)
                }
            }
        } catch (error: UhlmException) {
            end = stateAfter(error, record.request)
        }
        return end
    }

    private suspend fun ended(record: DownloadRecord, end: DownloadState): DownloadOutcome = locked {
        // It was cancelled meanwhile, and perhaps started anew.
        if (known[record.name] !== record) return@locked DownloadOutcome.DONE
        when (end) {
            is DownloadState.Finished -> {
                records.remove(record)
                known -= record.name
            }
            is DownloadState.Failed -> keep(record.copy(failure = end.error))
            is DownloadState.Waiting, is DownloadState.Running -> Unit
        }
        show(record.name, end)
        if (end is DownloadState.Waiting) DownloadOutcome.AGAIN else DownloadOutcome.DONE
    }

    /** Calls [block] when the records of an earlier process are read, and nothing else changes them. */
    private suspend fun <T> locked(block: suspend () -> T): T = lock.withLock {
        withContext(io) {
            if (!isRead) {
                for (record in records.read()) {
                    known[record.name] = record
                    show(record.name, record.state)
                    if (record.failure == null && !scheduler.holds(record.task)) schedule(record)
                }
                isRead = true
            }
            block()
        }
    }

    private fun schedule(record: DownloadRecord) = scheduler.schedule(record.task) { run(record.name) }

    private fun keep(record: DownloadRecord) {
        try {
            records.write(record)
        } catch (error: IOException) {
            // One that has failed is still shown until the process ends.
            val reason = "the download cannot be noted: ${error.message}"
            if (record.failure == null) throw failure(ErrorKind.StorageFailed, Recovery.FREE_STORAGE, reason)
        }
        known[record.name] = record
    }

    private fun freeId(): Int {
        val taken = known.values.map { it.id }.toSet()
        return generateSequence(FIRST_ID) { it + 1 }.first { it !in taken }
    }

    private fun show(name: String, state: DownloadState) = mutable.update { it + (name to state) }

    private companion object {
        /** "uhlm" in ASCII: the ids of an app's own jobs, and of WorkManager's, begin far below. */
        const val FIRST_ID = 0x75686c6d
    }
}

/** Decides what becomes of a download that an error has ended: whether what failed may pass by itself. */
internal fun stateAfter(error: UhlmException, request: DownloadRequest): DownloadState = when {
    error.kind == ErrorKind.Metered -> DownloadState.Waiting(WaitCause.UNMETERED_NETWORK)
    error.retryable -> DownloadState.Waiting(WaitCause.NEXT_ATTEMPT)
    else -> DownloadState.Failed(error, request)
}

private fun String.fileName() = trim().substringBefore('?').substringAfterLast('/')

private fun failure(kind: ErrorKind, recovery: Recovery, reason: String) =
    UhlmException.Failed(kind, reason, retryable = false, recovery)
