package dev.uhlm.demo.desktop

import dev.uhlm.demo.platform.Outside
import dev.uhlm.demo.platform.PickedFile
import java.awt.FileDialog
import java.awt.Frame
import java.awt.Toolkit
import java.awt.datatransfer.StringSelection
import java.io.File

/** The desktop's file dialogs. It has no share sheet. */
internal class DesktopOutside : Outside {
    override val shares: Boolean get() = false

    override fun copy(text: String): Unit =
        Toolkit.getDefaultToolkit().systemClipboard.setContents(StringSelection(text), null)

    override fun pick(onPicked: (PickedFile) -> Unit) {
        val file = ask(FileDialog.LOAD, null) ?: return
        onPicked(PickedFile(file.name) { file.inputStream() })
    }

    override fun share(title: String, text: String): Unit = save("$title.md", text)

    override fun save(name: String, text: String) {
        ask(FileDialog.SAVE, name)?.writeText(text)
    }

    private fun ask(mode: Int, name: String?): File? {
        val dialog = FileDialog(null as Frame?, "U-HLM", mode)
        dialog.file = name
        dialog.isVisible = true
        return dialog.files.firstOrNull()
    }
}
