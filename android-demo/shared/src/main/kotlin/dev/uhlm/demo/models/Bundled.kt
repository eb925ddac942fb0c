package dev.uhlm.demo.models

import dev.uhlm.CataloguePair
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.settings.Calibrations
import java.io.File
import java.io.IOException

/** Models that came with the app, copied once to where models are kept. Its calls block on the disk. */
internal class Bundled(private val platform: Platform, private val calibrations: Calibrations) {
    fun has(pair: CataloguePair): Boolean = platform.bundled(pair.draft.file)?.use { true } ?: false

    /**
     * Puts a pair's draft model on the device, and its calibration.
     *
     * @return the model's file; none where it did not come along.
     * @throws IOException where there is no room for it.
     */
    fun install(pair: CataloguePair): File? {
        val folder = File(platform.folder, "models")
        if (!folder.isDirectory && !folder.mkdirs()) throw IOException("the folder of models cannot be made")
        val file = File(folder, pair.draft.file)
        val model = platform.bundled(pair.draft.file) ?: return null
        model.use { source ->
            // A file of a model's name is taken for the whole model.
            val part = File(folder, pair.draft.file + ".new")
            part.outputStream().use { source.copyTo(it) }
            if (!part.renameTo(file)) throw IOException("the model cannot be put in its place")
        }
        platform.bundled("${pair.id}.calibration.json")?.use { calibrations.keep(pair.draft.file, it) }
        return file
    }
}
