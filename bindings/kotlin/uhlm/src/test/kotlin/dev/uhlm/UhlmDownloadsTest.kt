package dev.uhlm

import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.currentTime
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

@OptIn(ExperimentalCoroutinesApi::class)
class UhlmDownloadsTest {
    @TempDir
    lateinit var folder: File

    private val request = DownloadRequest(listOf("https://models.example/a.gguf?download=true"), bytes = 2u)
    private val progress = DownloadEvent.Progress(DownloadPhase.LOADING, 1u, 2u)
    private val model = StoredModel("a.gguf", "/a.gguf", 2u, null, null)
    private val finished = DownloadEvent.Finished(model)
    private val offline = UhlmException.Failed(ErrorKind.Offline, "gone", true, Recovery.WAIT_FOR_NETWORK)

    private fun TestScope.downloads(store: FakeStore, scheduler: DownloadScheduler = InProcessScheduler(this)) =
        UhlmDownloads({ store }, folder, scheduler, StandardTestDispatcher(testScheduler))

    @Test
    fun `a download runs to its end and leaves no note`() = runTest {
        val store = FakeStore(FakeDownload(progress, finished))
        val downloads = downloads(store)
        val states = downloads.download(request).toList()
        assertEquals(DownloadState.Finished(model), states.last())
        assertEquals(request, store.requests.single())
        assertEquals(setOf("a.gguf"), downloads.states.value.keys)
        assertEquals(emptyList(), folder.list()!!.toList())
    }

    @Test
    fun `what may pass is waited for a little longer each time and what does not pass ends the download`() = runTest {
        val full = failed(ErrorKind.StorageFull)
        val store = FakeStore(FailingDownload(offline), FailingDownload(offline), FailingDownload(full))
        val downloads = downloads(store, InProcessScheduler(this, firstWait = 10.seconds))
        downloads.start(request)
        runCurrent()
        assertEquals(DownloadState.Waiting(WaitCause.NEXT_ATTEMPT), downloads.states.value["a.gguf"])
        val state = downloads.states.first { it["a.gguf"] is DownloadState.Failed }.getValue("a.gguf")
        assertEquals(DownloadState.Failed(full, request), state)
        assertEquals(30_000, currentTime)
        assertEquals(3, store.requests.size)
    }

    @Test
    fun `what becomes of each error is the same for every scheduler`() {
        val kinds = mapOf(
            ErrorKind.Offline to true,
            ErrorKind.ServerBusy to true,
            ErrorKind.Busy to true,
            ErrorKind.ModelDamaged to false,
            ErrorKind.Unauthorized to false,
            ErrorKind.Untrusted to false,
        )
        for ((kind, passes) in kinds) {
            val error = UhlmException.Failed(kind, "", retryable = passes, Recovery.NONE)
            val waits = DownloadState.Waiting(WaitCause.NEXT_ATTEMPT)
            assertEquals(if (passes) waits else DownloadState.Failed(error, request), stateAfter(error, request))
        }
        val waits = DownloadState.Waiting(WaitCause.UNMETERED_NETWORK)
        assertEquals(waits, stateAfter(failed(ErrorKind.Metered), request))
    }

    @Test
    fun `there is one download of a name at a time`() = runTest {
        val store = FakeStore(FakeDownload(progress))
        val downloads = downloads(store)
        assertEquals("a.gguf", downloads.start(request))
        runCurrent()
        downloads.start(request.copy(sources = listOf("https://mirror.example/a.gguf")))
        val second = async { downloads.run("a.gguf") }
        runCurrent()
        assertEquals(1, store.requests.size)
        assertFalse(second.isCompleted)
        downloads.cancel("a.gguf")
        assertEquals(DownloadOutcome.DONE, second.await())
        assertEquals(1, store.requests.size)
    }

    @Test
    fun `who sees a download fail may start it again at once`() = runTest {
        val store = FakeStore(FailingDownload(failed(ErrorKind.ChecksumMissing)), FakeDownload(finished))
        val downloads = downloads(store)
        // On the thread that tells of the failure, before it goes on.
        val again = launch(Dispatchers.Unconfined) {
            val failure = downloads.states.map { it["a.gguf"] }.filterIsInstance<DownloadState.Failed>().first()
            downloads.start(failure.request.copy(requireSha256 = false))
        }
        downloads.start(request)
        again.join()
        downloads.states.first { it["a.gguf"] is DownloadState.Finished }
        assertEquals(listOf(true, false), store.requests.map { it.requireSha256 })
    }

    @Test
    fun `cancelling stops it before it returns and forgets it`() = runTest {
        val download = FakeDownload(progress)
        val downloads = downloads(FakeStore(download))
        downloads.start(request)
        runCurrent()
        assertEquals(DownloadState.Running(progress), downloads.states.value["a.gguf"])
        downloads.cancel("a.gguf")
        assertEquals("close", download.log.last())
        assertTrue(downloads.states.value.isEmpty() && folder.list()!!.isEmpty())
    }

    @Test
    fun `a run that the system stops is gone on with by the next one`() = runTest {
        val scheduler = Held()
        val store = FakeStore(FakeDownload(progress), FakeDownload(finished))
        val downloads = downloads(store, scheduler)
        downloads.start(request)
        val run = launch { scheduler.run!!() }
        runCurrent()
        run.cancelAndJoin()
        assertEquals(DownloadState.Waiting(WaitCause.UNMETERED_NETWORK), downloads.states.value["a.gguf"])
        assertEquals(DownloadOutcome.DONE, downloads.run("a.gguf"))
        assertEquals(DownloadState.Finished(model), downloads.states.value["a.gguf"])
    }

    @Test
    fun `another process knows the downloads of the one before and schedules what was lost`() = runTest {
        val asked = request.copy(
            name = "b.gguf", sha256 = "ab", furtherSha256 = listOf("cd"), allowMetered = true, requireSha256 = false,
        )
        downloads(FakeStore(FakeDownload()), Held()).run { start(request) to start(asked) }
        val (kept, lost) = Held(holds = true) to Held()
        val after = downloads(FakeStore(FakeDownload()), kept).apply { restore() }
        assertEquals(emptyList(), kept.tasks)
        val states = mapOf(
            "a.gguf" to DownloadState.Waiting(WaitCause.UNMETERED_NETWORK),
            "b.gguf" to DownloadState.Waiting(WaitCause.NETWORK),
        )
        assertEquals<Map<String, DownloadState>>(states, after.states.value)
        val store = FakeStore(FakeDownload(finished))
        val third = downloads(store, lost).apply { restore() }
        assertEquals(setOf("a.gguf", "b.gguf"), lost.tasks.map { it.name }.toSet())
        assertEquals(2, lost.tasks.map { it.id }.distinct().size)
        third.run("b.gguf")
        assertEquals(asked, store.requests.single())
    }

    @Test
    fun `a failure is known to the next process until it is forgotten`() = runTest {
        val missing = UhlmException.Failed(ErrorKind.ChecksumMissing, "nobody says", false, Recovery.FIX_OPTIONS)
        val first = downloads(FakeStore(FailingDownload(missing)))
        first.download(request).toList()
        val second = downloads(FakeStore(FakeDownload())).apply { restore() }
        val state = assertIs<DownloadState.Failed>(second.states.value["a.gguf"])
        assertEquals(missing.kind to missing.recovery, state.error.kind to state.error.recovery)
        assertEquals("nobody says" to request, state.error.reason to state.request)
        second.forget("a.gguf")
        val third = downloads(FakeStore(FakeDownload())).apply { restore() }
        assertTrue(second.states.value.isEmpty() && third.states.value.isEmpty())
    }

    @Test
    fun `a note that is damaged is none and a download without a file's name is refused`() = runTest {
        File(folder, "1.json").writeText("{")
        File(folder, "2.json").writeText("{\"id\": 2, \"name\": []}")
        val downloads = downloads(FakeStore(FakeDownload())).apply { restore() }
        assertTrue(downloads.states.value.isEmpty())
        assertFailsAs(ErrorKind.InvalidOptions) { downloads.start(DownloadRequest(listOf("https://a.example/"))) }
        folder.deleteRecursively()
        folder.writeText("in the way")
        assertFailsAs(ErrorKind.StorageFailed) { downloads.start(request) }
    }

    @Test
    fun `a metered network reaches the store of each run`() = runTest {
        val store = FakeStore(FakeDownload(progress))
        val downloads = downloads(store)
        downloads.start(request)
        runCurrent()
        downloads.setMetered(true)
        assertEquals(listOf(false, true), store.told)
        downloads.cancel("a.gguf")
    }
}

/** Runs nothing by itself. */
private class Held(private val holds: Boolean = false) : DownloadScheduler {
    val tasks = mutableListOf<DownloadTask>()
    var run: (suspend () -> DownloadOutcome)? = null

    override fun schedule(task: DownloadTask, run: suspend () -> DownloadOutcome) {
        tasks += task
        this.run = run
    }

    override fun holds(task: DownloadTask) = holds

    override fun cancel(task: DownloadTask) {
        tasks -= task
    }
}
