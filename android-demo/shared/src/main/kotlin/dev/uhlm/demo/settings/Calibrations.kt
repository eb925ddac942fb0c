package dev.uhlm.demo.settings

import dev.uhlm.demo.storage.AtomicFile
import java.io.File
import java.io.IOException
import java.io.InputStream

/** Calibrations that came with draft models or that the person chose for them, one file a model. Its calls block. */
class Calibrations(folder: File) {
    private val folder = File(folder, "calibrations")

    /** The path of the calibration of a draft model, by the name of its file; empty where there is none. */
    fun of(model: String): String = file(model).takeIf(File::isFile)?.path.orEmpty()

    /**
     * Keeps a calibration for a draft model, in the place of the one before.
     *
     * @return its path.
     * @throws IOException where it cannot be read or kept; a file that is longer than any calibration is not.
     */
    fun keep(model: String, source: InputStream): String {
        val text = CharArray(LONGEST + 1)
        val reader = source.reader()
        var length = 0
        while (length < text.size) {
            val read = reader.read(text, length, text.size - length)
            if (read < 0) break
            length += read
        }
        if (length > LONGEST) throw IOException("the file is too long for a calibration")
        AtomicFile(file(model)).write(text.concatToString(0, length))
        return file(model).path
    }

    private fun file(model: String) = File(folder, "$model.json")

    private companion object {
        /** In characters; `uhlm calibrate` writes some ten thousand. */
        const val LONGEST = 1 shl 20
    }
}
