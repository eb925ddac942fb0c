package dev.uhlm.demo.storage

import java.io.File
import java.io.FileOutputStream
import java.io.IOException

/** A small file that is replaced as a whole: a reader sees the old one or the new one, also after a crash. */
class AtomicFile(private val file: File) {
    /** None if there is none or it cannot be read. */
    fun read(): String? = try {
        file.readText()
    } catch (_: IOException) {
        null
    }

    /**
     * @param ownerOnly nobody but this user may read it, from the moment that it exists.
     * @throws IOException and the old one stands.
     */
    fun write(text: String, ownerOnly: Boolean = false) {
        val folder = file.absoluteFile.parentFile
        if (folder != null && !folder.isDirectory && !folder.mkdirs()) throw IOException("the folder cannot be made")
        val next = File(folder, file.name + ".new")
        if (next.exists() && !next.delete()) throw IOException("an unfinished file cannot be removed")
        if (ownerOnly) restrict(next)
        FileOutputStream(next).use { stream ->
            stream.write(text.encodeToByteArray())
            stream.fd.sync()
        }
        if (!next.renameTo(file)) throw IOException("the new file cannot be put in its place")
    }

    private fun restrict(next: File) {
        val made = next.createNewFile()
        val closed = next.setReadable(false, false) && next.setWritable(false, false)
        val opened = next.setReadable(true, true) && next.setWritable(true, true)
        if (!made || !closed || !opened) throw IOException("the file's permissions cannot be set")
    }
}
