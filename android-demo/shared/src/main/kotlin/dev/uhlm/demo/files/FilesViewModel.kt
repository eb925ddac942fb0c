package dev.uhlm.demo.files

import androidx.lifecycle.ViewModel
import androidx.lifecycle.viewModelScope
import dev.uhlm.demo.platform.PickedFile
import dev.uhlm.demo.words.say
import java.io.IOException
import java.io.OutputStream
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/**
 * What waits for a file that another app lets the person choose. It outlives the screen that asked: the phone may be
 * turned meanwhile, and the answer then comes to the next one. It does not outlive the process, which the system may
 * end while that app is in front; the answer then finds nothing that waits, and the person is told.
 */
class FilesViewModel(private val io: CoroutineDispatcher = Dispatchers.IO) : ViewModel() {
    private val mutable = MutableStateFlow<String?>(null)
    private var picking: ((PickedFile) -> Unit)? = null
    private var saving: String? = null

    /** One sentence about a file that was not read or written. */
    val notice: StateFlow<String?> = mutable.asStateFlow()

    /** The person is asked for a file to read, which [onPicked] gets. */
    fun pick(onPicked: (PickedFile) -> Unit) {
        picking = onPicked
    }

    /** The person is asked for a place to save a text. */
    fun save(text: String) {
        saving = text
    }

    /** The answer to [pick]; none where the person chose no file. */
    fun picked(file: PickedFile?) {
        val onPicked = picking
        picking = null
        if (file == null) return
        if (onPicked == null) mutable.value = say("files.choose_again") else onPicked(file)
    }

    /**
     * The answer to [save].
     *
     * @param open opens the file that the person chose; blocks, and throws [IOException] where it cannot be written.
     * None where the person chose no file.
     */
    fun saved(open: (() -> OutputStream)?) {
        val text = saving
        saving = null
        if (open == null) return
        viewModelScope.launch {
            try {
                withContext(io) { write(text ?: throw IOException("the text went with the process"), open) }
            } catch (_: IOException) {
                mutable.value = say("files.not_saved")
            }
        }
    }

    fun noticeSeen() {
        mutable.value = null
    }

    private fun write(text: String, open: () -> OutputStream) = open().use { it.write(text.encodeToByteArray()) }
}
