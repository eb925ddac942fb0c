package dev.uhlm.demo.speed

import androidx.lifecycle.ViewModel
import androidx.lifecycle.viewModelScope
import dev.uhlm.GenerationEvent
import dev.uhlm.GenerationOptions
import dev.uhlm.Mode
import dev.uhlm.Prompt
import dev.uhlm.Statistics
import dev.uhlm.UhlmException
import dev.uhlm.demo.chat.Sessions
import dev.uhlm.demo.models.notice
import dev.uhlm.demo.settings.SettingsStore
import dev.uhlm.generate
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch

/**
 * What a measurement found.
 *
 * @property reply tokens a second, the reading of the message included.
 * @property draft tokens a second of writing alone; none where not one was written.
 * @property firstSeconds the time until the first word.
 */
data class Measured(val model: String, val reply: Double, val draft: Double?, val firstSeconds: Double)

/** What the page of speeds shows beside what conversations hold. */
data class SpeedState(val isMeasuring: Boolean = false, val measured: Measured? = null, val notice: String? = null)

/** Measures the model in use, on this device alone. */
class SpeedViewModel(private val sessions: Sessions, private val settings: SettingsStore) : ViewModel() {
    private val mutable = MutableStateFlow(SpeedState())

    val state: StateFlow<SpeedState> = mutable.asStateFlow()

    /** Has the model write a short text. No reply may be written meanwhile: each would slow the other one down. */
    fun measure() {
        if (state.value.isMeasuring) return
        mutable.update { it.copy(isMeasuring = true) }
        viewModelScope.launch {
            try {
                val (model, statistics) = settings.settings.value.modelName to written()
                mutable.update { it.copy(measured = statistics?.let { found -> measured(model, found) }) }
            } catch (failure: UhlmException) {
                mutable.update { it.copy(notice = failure.notice()) }
            } finally {
                sessions.release(CONVERSATION)
                mutable.update { it.copy(isMeasuring = false) }
            }
        }
    }

    fun noticeSeen(): Unit = mutable.update { it.copy(notice = null) }

    private suspend fun written(): Statistics? {
        // A session without a server can send nothing.
        val alone = settings.settings.value.copy(endpoint = "", mode = Mode.DEVICE_ONLY)
        val session = sessions.session(CONVERSATION, alone)
        var statistics: Statistics? = null
        val options = GenerationOptions(maxTokens = TOKENS, mode = Mode.DEVICE_ONLY, seed = 1uL)
        session.generate(Prompt.Chat(MESSAGE), options).collect { event ->
            if (event is GenerationEvent.Finished) statistics = event.statistics
        }
        return statistics
    }

    private fun measured(model: String, found: Statistics) = Measured(
        model = model,
        reply = found.tokensPerSecond,
        draft = rate(found.drafted.toLong(), found.draftingSeconds),
        firstSeconds = found.firstTokenSeconds,
    )

    private companion object {
        /** The key of the session, which no conversation has. */
        const val CONVERSATION = "measurement"

        /** In English for everybody: the figures of two devices are then of the same tokens. */
        const val MESSAGE = "Write a short story about a lighthouse keeper."
        const val TOKENS = 64u
    }
}
