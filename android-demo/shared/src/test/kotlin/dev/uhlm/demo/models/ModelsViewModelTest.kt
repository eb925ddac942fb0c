package dev.uhlm.demo.models

import dev.uhlm.CatalogueModel
import dev.uhlm.CataloguePair
import dev.uhlm.DownloadEvent
import dev.uhlm.DownloadPhase
import dev.uhlm.DownloadRequest
import dev.uhlm.ErrorKind
import dev.uhlm.Recovery
import dev.uhlm.StoredModel
import dev.uhlm.UhlmException
import dev.uhlm.UnfinishedModel
import dev.uhlm.WaitCause
import dev.uhlm.demo.FakeModelStore
import dev.uhlm.demo.FakePlatform
import dev.uhlm.demo.failed
import dev.uhlm.demo.platform.PickedFile
import dev.uhlm.demo.settings.Calibrations
import dev.uhlm.demo.settings.SettingsStore
import java.io.File
import java.io.IOException
import java.io.InputStream
import kotlin.test.AfterTest
import kotlin.test.BeforeTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.advanceTimeBy
import kotlinx.coroutines.test.resetMain
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.setMain
import org.junit.jupiter.api.io.TempDir

@OptIn(ExperimentalCoroutinesApi::class)
class ModelsViewModelTest {
    @TempDir
    lateinit var folder: File

    private val dispatcher = StandardTestDispatcher()
    private val store = FakeModelStore()
    private val model = StoredModel("a.gguf", "/models/a.gguf", 100uL, "ab", "https://a/a.gguf")
    private val request = DownloadRequest(listOf("https://a/a.gguf"), "a.gguf", sha256 = "ab", bytes = 100uL)
    private val pair = CataloguePair(
        id = "p",
        about = "small",
        draft = CatalogueModel("A", "a.gguf", "MIT", 100uL, request),
        target = CatalogueModel("B", "b.gguf", "MIT", null, null),
        measured = true,
    )
    private lateinit var platform: FakePlatform
    private lateinit var settings: SettingsStore

    @BeforeTest
    fun main() {
        Dispatchers.setMain(dispatcher)
        platform = FakePlatform(folder, store, dispatcher)
        settings = SettingsStore(folder, dispatcher)
    }

    @AfterTest
    fun noMain() = Dispatchers.resetMain()

    private fun test(
        known: List<CataloguePair> = listOf(pair),
        body: suspend TestScope.(ModelsViewModel) -> Unit,
    ) = runTest(dispatcher) {
        val calibrations = Calibrations(folder)
        val models = ModelsViewModel({ store }, { known }, settings, calibrations, platform, dispatcher)
        runCurrent()
        body(models)
    }

    private val toy = pair.copy(id = "toy", draft = CatalogueModel("Toy", "toy.gguf", "MIT", 3uL, null))

    @Test
    fun `a model that came with the app is there and used from the first start on`() {
        platform.bundled += mapOf("toy.gguf" to "abc", "toy.calibration.json" to "{}")
        test(listOf(pair, toy)) { models ->
            assertEquals(listOf(pair, toy), models.state.value.catalogue)
            val path = File(folder, "models/toy.gguf")
            assertEquals("abc" to path.path, path.readText() to settings.settings.value.model)
            assertEquals("{}", File(settings.settings.value.calibration).readText())
            // Another model has other thresholds, and this one its own again.
            models.use(model)
            runCurrent()
            assertEquals("/models/a.gguf" to "", settings.settings.value.run { this.model to calibration })
            models.use(StoredModel("toy.gguf", path.path, 3uL, null, null))
            runCurrent()
            assertEquals("{}", File(settings.settings.value.calibration).readText())
        }
    }

    @Test
    fun `a model that can be had again is put back by its card and a chosen one stays chosen`() {
        platform.bundled["toy.gguf"] = "abc"
        test(listOf(toy)) { models ->
            settings.change { it.copy(model = "/models/a.gguf") }
            File(folder, "models/toy.gguf").delete()
            models.download(toy)
            runCurrent()
            assertTrue(File(folder, "models/toy.gguf").isFile)
            assertEquals("/models/a.gguf", settings.settings.value.model)
        }
    }

    @Test
    fun `a file that lies elsewhere on the device is taken whole or not at all`() = test { models ->
        models.take(PickedFile("notes.txt") { "abc".byteInputStream() })
        assertEquals("A model's file has a name that ends in .gguf.", models.state.value.notice)
        models.noticeSeen()
        models.take(PickedFile("own.gguf") { "abc".byteInputStream() })
        runCurrent()
        assertEquals(listOf("own.gguf" to 3uL), models.state.value.stored.map { it.name to it.bytes })
        assertTrue(models.state.value.downloads.isEmpty() && models.state.value.notice == null)
        store.refused = failed(ErrorKind.ModelDamaged, Recovery.DOWNLOAD_AGAIN)
        models.take(PickedFile("page.gguf") { "<html>".byteInputStream() })
        runCurrent()
        assertEquals("The model's file is damaged.", models.state.value.notice?.substringBefore(" Delete"))
        models.noticeSeen()
        val broken = object : InputStream() {
            private var left = 3

            override fun read(): Int = if (left-- > 0) 'x'.code else throw IOException("gone")
        }
        models.take(PickedFile("broken.gguf") { broken })
        runCurrent()
        assertEquals(emptyList(), File(folder, "brought").list()!!.toList())
        assertEquals(listOf("own.gguf"), models.state.value.stored.map { it.name })
        assertTrue(models.state.value.notice != null)
    }

    @Test
    fun `a pair that nobody can give has no card`() = test(listOf(pair, toy)) { models ->
        assertEquals(listOf(pair), models.state.value.catalogue)
        assertEquals("", settings.settings.value.model)
    }

    @Test
    fun `a download of the catalogue asks for its hash and shows how far it is`() = test { models ->
        models.download(models.state.value.catalogue.single())
        runCurrent()
        assertEquals(request, store.requests.single())
        val told = DownloadEvent.Progress(DownloadPhase.LOADING, 25uL, 100uL, part = 1u, parts = 2u)
        store.events.trySend(Result.success(told))
        runCurrent()
        val progress = models.state.value.downloads.getValue("a.gguf")
        assertEquals(0.25f, progress.share)
        assertEquals(1 to 2, progress.part to progress.parts)
        store.stored = listOf(model)
        store.events.trySend(Result.success(DownloadEvent.Finished(model)))
        runCurrent()
        assertEquals(emptyMap(), models.state.value.downloads)
        assertEquals(listOf(model), models.state.value.stored)
    }

    @Test
    fun `an address names the file and the same file is loaded once at a time`() = test { models ->
        models.download(" hf:owner/repo/b.gguf ")
        models.download("https://mirror/b.gguf?download=true")
        runCurrent()
        assertEquals(listOf("b.gguf"), store.requests.map { it.name })
    }

    @Test
    fun `stopping keeps what was loaded and says how much that is`() = test { models ->
        models.download("https://a/a.gguf")
        runCurrent()
        store.unfinished = listOf(UnfinishedModel("a.gguf", 25uL))
        models.cancel("a.gguf")
        runCurrent()
        assertTrue(store.cancelled > 0)
        assertEquals(store.unfinished, models.state.value.unfinished)
        assertTrue(models.state.value.downloads.isEmpty())
    }

    @Test
    fun `a download that fails says why and can be asked for again`() = test { models ->
        models.download("https://a/a.gguf")
        runCurrent()
        store.events.trySend(Result.failure(failed(ErrorKind.StorageFull, Recovery.FREE_STORAGE)))
        runCurrent()
        assertEquals("There is not enough storage for the model. Free some storage.", models.state.value.notice)
        models.download("https://a/a.gguf")
        runCurrent()
        assertEquals(2, store.requests.size)
    }

    @Test
    fun `a file that nobody vouches for is asked about`() = test { models ->
        models.download("https://a/a.gguf")
        runCurrent()
        store.events.trySend(Result.failure(failed(ErrorKind.ChecksumMissing)))
        runCurrent()
        assertEquals("a.gguf", models.state.value.unchecked?.name)
        models.answer(downloadAnyway = true)
        runCurrent()
        assertEquals(listOf(true, false), store.requests.map { it.requireSha256 })
        assertEquals(null, models.state.value.unchecked)
        store.events.trySend(Result.failure(failed(ErrorKind.ChecksumMissing)))
        runCurrent()
        models.answer(downloadAnyway = false)
        runCurrent()
        assertEquals(2, store.requests.size)
    }

    @Test
    fun `a check says what it found and a model that is used is kept in the settings`() = test { models ->
        models.verify(model)
        runCurrent()
        assertEquals(Check.INTACT, models.state.value.checks["a.gguf"])
        store.intact = { throw failed(ErrorKind.ModelDamaged) }
        models.verify(model)
        runCurrent()
        assertEquals(Check.DAMAGED, models.state.value.checks["a.gguf"])
        models.use(model)
        runCurrent()
        assertEquals("/models/a.gguf", settings.settings.value.model)
    }

    @Test
    fun `a download that waits says for what and keeps its bytes`() = test { models ->
        models.download("https://a/a.gguf")
        runCurrent()
        store.events.trySend(Result.success(DownloadEvent.Progress(DownloadPhase.LOADING, 25uL, 100uL)))
        runCurrent()
        val gone = UhlmException.Failed(ErrorKind.Offline, "gone", true, Recovery.WAIT_FOR_NETWORK)
        store.events.trySend(Result.failure(gone))
        runCurrent()
        val waiting = models.state.value.downloads.getValue("a.gguf")
        assertEquals(WaitCause.NEXT_ATTEMPT to 0.25f, waiting.waits to waiting.share)
        assertEquals(null, models.state.value.notice)
        store.events = Channel(Channel.UNLIMITED)
        store.events.trySend(Result.success(DownloadEvent.Progress(DownloadPhase.LOADING, 50uL, 100uL)))
        advanceTimeBy(40.seconds)
        assertEquals(null to 0.5f, models.state.value.downloads.getValue("a.gguf").run { waits to share })
        models.cancel("a.gguf")
        runCurrent()
        assertTrue(models.state.value.downloads.isEmpty())
    }
}
