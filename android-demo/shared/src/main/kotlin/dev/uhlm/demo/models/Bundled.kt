package dev.uhlm.demo.models

import dev.uhlm.CataloguePair
import dev.uhlm.demo.platform.PickedFile
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.settings.Calibrations
import java.io.File
import java.io.IOException
import java.io.InputStream

/** Models that came with the app or lie elsewhere on the device, copied to where models are kept. Its calls block. */
internal class Bundled(private val platform: Platform, private val calibrations: Calibrations) {
    fun has(pair: CataloguePair): Boolean = platform.bundled(pair.draft.file)?.use { true } ?: false

    /**
     * Puts a pair's draft model on the device, and its calibration.
     *
     * @return the model's file; none where it did not come along.
     * @throws IOException where there is no room for it.
     */
    fun install(pair: CataloguePair): File? {
        val model = platform.bundled(pair.draft.file) ?: return null
        val file = model.use { copy(pair.draft.file, it, File(platform.folder, "models")) {} }
        platform.bundled("${pair.id}.calibration.json")?.use { calibrations.keep(pair.draft.file, it) }
        return file
    }

    /**
     * Copies a file that the person picked to where the store can take it from, in one step and under its own name.
     * [progress] takes the bytes that are copied.
     *
     * @throws IOException where it cannot be read or there is no room for it. Nothing of it is left then.
     */
    fun bring(file: PickedFile, name: String, progress: (Long) -> Unit): File =
        file.open().use { copy(name, it, File(platform.folder, "brought"), progress) }

    private fun copy(name: String, source: InputStream, folder: File, progress: (Long) -> Unit): File {
        if (!folder.isDirectory && !folder.mkdirs()) throw IOException("the folder of models cannot be made")
        // A file of a model's name is taken for the whole model.
        val part = File(folder, "$name.new")
        try {
            part.outputStream().use { target ->
                val chunk = ByteArray(CHUNK)
                var copied = 0L
                while (true) {
                    val read = source.read(chunk)
                    if (read < 0) break
                    target.write(chunk, 0, read)
                    copied += read
                    progress(copied)
                }
            }
            val file = File(folder, name)
            if (!part.renameTo(file)) throw IOException("the model cannot be put in its place")
            return file
        } finally {
            part.delete()
        }
    }

    private companion object {
        const val CHUNK = 1 shl 20
    }
}
