package dev.uhlm.demo.settings

import dev.uhlm.demo.storage.AtomicFile
import java.io.File
import java.io.IOException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.withContext
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json

/** The settings, in a file that is replaced as a whole. One that is damaged counts as none. */
class SettingsStore(folder: File, io: CoroutineDispatcher = Dispatchers.IO) {
    private val io = io.limitedParallelism(1)
    private val file = AtomicFile(File(folder, "settings.json"))
    private val mutable = MutableStateFlow(read())

    val settings: StateFlow<Settings> = mutable.asStateFlow()

    /**
     * @return whether it could be kept. It holds for this run in any case.
     */
    suspend fun change(change: (Settings) -> Settings): Boolean {
        mutable.update(change)
        return withContext(io) {
            try {
                // The latest, whichever call writes it.
                file.write(json.encodeToString(Settings.serializer(), mutable.value))
                true
            } catch (_: IOException) {
                false
            }
        }
    }

    private fun read(): Settings {
        val text = file.read() ?: return Settings()
        return try {
            json.decodeFromString(Settings.serializer(), text)
        } catch (_: SerializationException) {
            Settings()
        } catch (_: IllegalArgumentException) {
            Settings()
        }
    }

    private companion object {
        val json = Json {
            ignoreUnknownKeys = true
            coerceInputValues = true
        }
    }
}
