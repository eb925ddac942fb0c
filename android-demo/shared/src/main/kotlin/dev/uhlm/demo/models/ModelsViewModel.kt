package dev.uhlm.demo.models

import androidx.lifecycle.ViewModel
import androidx.lifecycle.viewModelScope
import dev.uhlm.CataloguePair
import dev.uhlm.DownloadPhase
import dev.uhlm.DownloadRequest
import dev.uhlm.DownloadState
import dev.uhlm.ErrorKind
import dev.uhlm.StoredModel
import dev.uhlm.UhlmException
import dev.uhlm.UhlmModelStoreInterface
import dev.uhlm.UnfinishedModel
import dev.uhlm.demo.platform.PickedFile
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.settings.Calibrations
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.demo.words.say
import dev.uhlm.kind
import dev.uhlm.recovery
import dev.uhlm.title
import java.io.File
import java.io.IOException
import java.util.Locale
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/** What the screen of models shows. */
data class ModelsState(
    val stored: List<StoredModel> = emptyList(),
    val unfinished: List<UnfinishedModel> = emptyList(),
    /** Pairs whose draft model can be had: by a download, or because it came with the app. */
    val catalogue: List<CataloguePair> = emptyList(),
    val downloads: Map<String, Progress> = emptyMap(),
    /** What a check of a model's file found, by its name. */
    val checks: Map<String, Check> = emptyMap(),
    /** A download that waits for the person's word, because nobody says which SHA-256 its file must have. */
    val unchecked: DownloadRequest? = null,
    val notice: String? = null,
)

enum class Check { RUNNING, INTACT, UNKNOWN, DAMAGED }

/** Models on the device and those on their way to it, which come while other screens and other apps are looked at. */
class ModelsViewModel(
    private val open: () -> UhlmModelStoreInterface,
    private val catalogue: () -> List<CataloguePair>,
    private val settings: SettingsStore,
    private val calibrations: Calibrations,
    platform: Platform,
    private val io: CoroutineDispatcher = Dispatchers.IO,
) : ViewModel() {
    private val bundled = Bundled(platform, calibrations)
    private val downloads = platform.downloads
    private val mutable = MutableStateFlow(ModelsState())
    private val copying = mutableMapOf<String, Job>()
    private var kept: UhlmModelStoreInterface? = null

    val state: StateFlow<ModelsState> = mutable.asStateFlow()

    init {
        viewModelScope.launch {
            val (pairs, cameAlong) = withContext(io) {
                val known = catalogue()
                val here = known.filter(bundled::has)
                known.filter { it.draft.request != null || it in here } to here.firstOrNull()
            }
            mutable.update { it.copy(catalogue = pairs) }
            // So that the app writes at once.
            if (cameAlong != null && settings.settings.value.model.isBlank()) add(cameAlong)
            refresh()
        }
        viewModelScope.launch {
            downloads.restore()
            downloads.states.collect(::follow)
        }
    }

    /** Brings a model of the catalogue onto the device. */
    fun download(pair: CataloguePair) {
        val request = pair.draft.request
        if (request != null) {
            start(request.copy(allowMetered = settings.settings.value.allowMetered))
        } else {
            viewModelScope.launch {
                add(pair)
                refresh()
            }
        }
    }

    /** Downloads from an address: `https://...` or `hf:owner/repo/file.gguf`. */
    fun download(source: String) {
        val name = source.trim().substringBefore('?').substringAfterLast('/')
        start(DownloadRequest(listOf(source.trim()), name, allowMetered = settings.settings.value.allowMetered))
    }

    /** Takes a model's file that lies elsewhere on the device. */
    fun take(file: PickedFile) {
        val name = file.name.substringAfterLast('/')
        if (!name.endsWith(".gguf")) return notice(say("models.not_gguf"))
        if (name in copying) return
        copying[name] = viewModelScope.launch {
            try {
                withContext(io) {
                    val copied = { bytes: Long -> show(name, Progress(DownloadPhase.LOADING, bytes, null)) }
                    val brought = bundled.bring(file, name, copied)
                    try {
                        store().adopt(brought.path, name)
                    } finally {
                        // Of a file that is refused.
                        brought.delete()
                    }
                }
            } catch (_: IOException) {
                notice(say("models.no_room"))
            } catch (failure: UhlmException) {
                notice(failure.notice())
            } finally {
                copying -= name
                show(name, null)
            }
            refresh()
        }
    }

    /** Downloads [ModelsState.unchecked] all the same and believes the server, or leaves it. */
    fun answer(downloadAnyway: Boolean) {
        val request = state.value.unchecked ?: return
        mutable.update { it.copy(unchecked = null) }
        if (downloadAnyway) start(request.copy(requireSha256 = false))
    }

    /** Stops a download; what was loaded by then is kept. */
    fun cancel(name: String) {
        copying[name]?.cancel()
        viewModelScope.launch {
            downloads.cancel(name)
            refresh()
        }
    }

    fun use(model: StoredModel) {
        viewModelScope.launch { choose(model.path) }
    }

    fun verify(model: StoredModel) {
        check(model.name, Check.RUNNING)
        viewModelScope.launch {
            val found = try {
                if (withContext(io) { store() }.verify(model.name)) Check.INTACT else Check.UNKNOWN
            } catch (failure: UhlmException) {
                if (failure.kind != ErrorKind.ModelDamaged) notice(failure.notice())
                Check.DAMAGED.takeIf { failure.kind == ErrorKind.ModelDamaged }
            }
            check(model.name, found)
        }
    }

    /** Removes a model, or what an unfinished download left of it. */
    fun delete(name: String) {
        viewModelScope.launch {
            copying[name]?.apply { cancel() }?.join()
            downloads.cancel(name)
            attempt { store().delete(name) }
            check(name, null)
            refresh()
        }
    }

    /** The token for Hugging Face was changed. */
    fun tokensChanged() {
        kept = null
    }

    fun noticeSeen(): Unit = mutable.update { it.copy(notice = null) }

    /** Takes a model that came with the app, and uses it where there is none yet. */
    private suspend fun add(pair: CataloguePair) {
        try {
            val file = withContext(io) { bundled.install(pair) } ?: return
            if (settings.settings.value.model.isBlank()) choose(file.path)
        } catch (_: IOException) {
            notice(say("models.no_room"))
        }
    }

    private suspend fun choose(path: String) {
        val calibration = withContext(io) { calibrations.of(File(path).name) }
        settings.change { it.copy(model = path, calibration = calibration) }
    }

    private fun start(request: DownloadRequest) {
        viewModelScope.launch {
            try {
                downloads.start(request)
            } catch (failure: UhlmException) {
                notice(failure.notice())
            }
        }
    }

    /** Shows how far downloads are, and takes note of those that have ended. */
    private suspend fun follow(states: Map<String, DownloadState>) {
        mutable.update { state ->
            val shown = states.mapNotNull { (name, now) -> now.progress(state.downloads[name])?.let { name to it } }
            state.copy(downloads = state.downloads.filterKeys(copying::containsKey) + shown)
        }
        for ((name, state) in states) {
            if (state is DownloadState.Failed) failed(state)
            if (state is DownloadState.Failed || state is DownloadState.Finished) {
                downloads.forget(name)
                refresh()
            }
        }
    }

    private fun failed(state: DownloadState.Failed) {
        if (state.error.kind == ErrorKind.ChecksumMissing) {
            mutable.update { it.copy(unchecked = state.request) }
        } else {
            notice(state.error.notice())
        }
    }

    private suspend fun refresh() {
        val found = attempt { store().list() to store().unfinished() } ?: return
        mutable.update { it.copy(stored = found.first, unfinished = found.second) }
    }

    private suspend fun <T> attempt(call: suspend () -> T): T? = try {
        withContext(io) { call() }
    } catch (failure: UhlmException) {
        notice(failure.notice())
        null
    }

    @Synchronized
    private fun store(): UhlmModelStoreInterface =
        kept ?: open().also { kept = it }

    private fun show(name: String, progress: Progress?) = mutable.update { state ->
        state.copy(downloads = if (progress == null) state.downloads - name else state.downloads + (name to progress))
    }

    private fun check(name: String, found: Check?) = mutable.update { state ->
        state.copy(checks = if (found == null) state.checks - name else state.checks + (name to found))
    }

    private fun notice(text: String) = mutable.update { it.copy(notice = text) }
}

/** What failed and what to do, for a person. */
internal fun UhlmException.notice(): String {
    val advice = say("recovery.${recovery.name.lowercase()}")
    // The library names what failed in English.
    return if (Locale.getDefault().language == "en") "$title $advice" else advice
}
