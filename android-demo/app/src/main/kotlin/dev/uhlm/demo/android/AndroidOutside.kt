package dev.uhlm.demo.android

import android.content.ClipData
import android.content.ClipboardManager
import android.content.Context
import android.content.Intent
import android.net.Uri
import android.provider.OpenableColumns
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import dev.uhlm.demo.files.FilesViewModel
import dev.uhlm.demo.platform.Outside
import dev.uhlm.demo.platform.PickedFile
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream

/**
 * The system's own pickers and its share sheet. To be made before the activity is started, as launchers must be.
 *
 * @property files what waits for the pickers' answers, which come to the next activity where the phone is turned.
 */
internal class AndroidOutside(private val activity: ComponentActivity, private val files: FilesViewModel) : Outside {
    /** Not the activity's: files are read when that may be gone. */
    private val resolver = activity.applicationContext.contentResolver

    private val picker = activity.registerForActivityResult(ActivityResultContracts.OpenDocument()) { uri ->
        files.picked(uri?.let { PickedFile(nameOf(it)) { open(it) } })
    }

    private val saver = activity.registerForActivityResult(ActivityResultContracts.CreateDocument(TEXT)) { uri ->
        files.saved(uri?.let { { create(it) } })
    }

    override val shares: Boolean get() = true

    override fun copy(text: String) {
        val clipboard = activity.getSystemService(Context.CLIPBOARD_SERVICE) as ClipboardManager
        clipboard.setPrimaryClip(ClipData.newPlainText(null, text))
    }

    override fun pick(onPicked: (PickedFile) -> Unit) {
        files.pick(onPicked)
        picker.launch(arrayOf("*/*"))
    }

    override fun share(title: String, text: String) {
        val send = Intent(Intent.ACTION_SEND).setType("text/plain").putExtra(Intent.EXTRA_TITLE, title)
            .putExtra(Intent.EXTRA_TEXT, text)
        activity.startActivity(Intent.createChooser(send, title))
    }

    override fun save(name: String, text: String) {
        files.save(text)
        saver.launch(name)
    }

    private fun nameOf(uri: Uri): String {
        val columns = arrayOf(OpenableColumns.DISPLAY_NAME)
        val name = try {
            resolver.query(uri, columns, null, null, null)?.use { if (it.moveToFirst()) it.getString(0) else null }
        } catch (_: RuntimeException) {
            // The provider is another app, whose failures come through.
            null
        }
        return name ?: uri.lastPathSegment.orEmpty()
    }

    private fun open(uri: Uri): InputStream = asked { resolver.openInputStream(uri) }

    private fun create(uri: Uri): OutputStream = asked { resolver.openOutputStream(uri) }

    /** What the app of a file gives for it. */
    private fun <T : Any> asked(call: () -> T?): T {
        val given = try {
            call()
        } catch (failure: RuntimeException) {
            throw IOException(failure)
        }
        return given ?: throw FileNotFoundException("the provider gives no file")
    }

    private companion object {
        const val TEXT = "text/markdown"
    }
}
