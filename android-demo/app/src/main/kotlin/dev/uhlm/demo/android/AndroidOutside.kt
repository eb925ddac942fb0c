package dev.uhlm.demo.android

import android.content.ClipData
import android.content.ClipboardManager
import android.content.Context
import android.content.Intent
import android.net.Uri
import android.provider.OpenableColumns
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import dev.uhlm.demo.platform.Outside
import dev.uhlm.demo.platform.PickedFile
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream

/** The system's own pickers and its share sheet. To be made before the activity is started, as launchers must be. */
internal class AndroidOutside(private val activity: ComponentActivity) : Outside {
    private var picking: ((PickedFile) -> Unit)? = null
    private var saving: String? = null

    private val picker = activity.registerForActivityResult(ActivityResultContracts.OpenDocument()) { uri ->
        val onPicked = picking ?: return@registerForActivityResult
        picking = null
        if (uri != null) onPicked(PickedFile(nameOf(uri)) { open(uri) })
    }

    private val saver = activity.registerForActivityResult(ActivityResultContracts.CreateDocument(TEXT)) { uri ->
        val text = saving ?: return@registerForActivityResult
        saving = null
        if (uri != null) write(uri, text)
    }

    override val shares: Boolean get() = true

    override fun copy(text: String) {
        val clipboard = activity.getSystemService(Context.CLIPBOARD_SERVICE) as ClipboardManager
        clipboard.setPrimaryClip(ClipData.newPlainText(null, text))
    }

    override fun pick(onPicked: (PickedFile) -> Unit) {
        picking = onPicked
        picker.launch(arrayOf("*/*"))
    }

    override fun share(title: String, text: String) {
        val send = Intent(Intent.ACTION_SEND).setType("text/plain").putExtra(Intent.EXTRA_TITLE, title)
            .putExtra(Intent.EXTRA_TEXT, text)
        activity.startActivity(Intent.createChooser(send, title))
    }

    override fun save(name: String, text: String) {
        saving = text
        saver.launch(name)
    }

    private fun nameOf(uri: Uri): String {
        val columns = arrayOf(OpenableColumns.DISPLAY_NAME)
        val name = activity.contentResolver.query(uri, columns, null, null, null)?.use { rows ->
            if (rows.moveToFirst()) rows.getString(0) else null
        }
        return name ?: uri.lastPathSegment.orEmpty()
    }

    private fun open(uri: Uri): InputStream =
        activity.contentResolver.openInputStream(uri) ?: throw FileNotFoundException("the provider gives no file")

    private fun write(uri: Uri, text: String) {
        try {
            activity.contentResolver.openOutputStream(uri)?.use { it.write(text.encodeToByteArray()) }
        } catch (_: IOException) {
            // The provider tells the person; the conversation is where it was.
        }
    }

    private companion object {
        const val TEXT = "text/markdown"
    }
}
