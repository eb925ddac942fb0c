package dev.uhlm

import kotlin.test.assertEquals
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.runTest
import org.junit.jupiter.api.Test

class DownloadsTest {
    private val request = DownloadRequest(listOf("https://models.example/a.gguf"))
    private val progress = DownloadEvent.Progress(DownloadPhase.entries.first(), 1u, 2u)
    private val finished = DownloadEvent.Finished(StoredModel("a.gguf", "/a.gguf", 2u, null, null))

    @Test
    fun `events come as they were given and the handle is closed after the end`() = runTest {
        val download = FakeDownload(progress, finished)
        assertEquals(listOf(progress, finished), FakeStore(download).downloadFlow(request).toList())
        assertEquals(listOf("close"), download.log)
    }

    @Test
    fun `cancelling stops the download before cancel returns`() = runTest {
        val download = FakeDownload(progress)
        val job = launch(start = CoroutineStart.UNDISPATCHED) { FakeStore(download).downloadFlow(request).collect() }
        job.cancel()
        assertEquals(listOf("cancel"), download.log.toList())
        job.join()
        assertEquals("close", download.log.last())
    }

    @Test
    fun `a collector that leaves stops the download`() = runTest {
        val download = FakeDownload(progress, progress)
        assertEquals(progress, FakeStore(download).downloadFlow(request).first())
        assertEquals(listOf("cancel", "close"), download.log.distinct())
    }

    @Test
    fun `an error reaches the collector and the handle is closed`() = runTest {
        val download = object : FakeDownload() {
            override suspend fun next() = throw failed(ErrorKind.StorageFull)
        }
        assertFailsAs(ErrorKind.StorageFull) { FakeStore(download).downloadFlow(request).toList() }
        assertEquals("close", download.log.last())
    }
}
