package dev.uhlm.demo.storage

import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.util.UUID
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json

/**
 * A file of JSON lines for each conversation, only ever appended to while the app runs.
 *
 * A line is written by one call to the system, so that it outlives the process from then on; a line that was cut off by
 * a power cut is found when the file is read, and removed before anything is added. A file with many more lines than
 * its conversation needs is written anew beside itself and put in its place by a rename, which is one step.
 */
class JournalStore(private val folder: File) : ConversationStore {
    private val open = mutableMapOf<String, RandomAccessFile>()

    override fun load(): List<Conversation> {
        val files = folder.listFiles { file -> file.name.endsWith(ENDING) } ?: return emptyList()
        return files.mapNotNull(::read).sortedByDescending { it.touched }
    }

    override fun create(title: String, at: Long): Conversation {
        if (!folder.isDirectory && !folder.mkdirs()) throw IOException("the folder of conversations cannot be made")
        val conversation = Conversation(UUID.randomUUID().toString(), at, title)
        append(conversation.id, Entry.Created(at, title))
        return conversation
    }

    override fun append(id: String, entry: Entry) {
        val journal = journal(id)
        val line = (json.encodeToString(Entry.serializer(), entry) + "\n").encodeToByteArray()
        val end = journal.length()
        try {
            journal.seek(end)
            journal.write(line)
        } catch (failure: IOException) {
            // Half a line on a full disk: what follows must not be added to it.
            runCatching { journal.setLength(end) }
            throw failure
        }
    }

    override fun sync(id: String) {
        open[id]?.fd?.sync()
    }

    override fun delete(id: String) {
        open.remove(id)?.close()
        val file = file(id)
        if (file.exists() && !file.delete()) throw IOException("the conversation cannot be deleted")
    }

    private fun file(id: String) = File(folder, id + ENDING)

    private fun journal(id: String): RandomAccessFile = open.getOrPut(id) {
        // A phone has few descriptors, and one conversation is written at a time.
        open.values.forEach { it.close() }
        open.clear()
        RandomAccessFile(file(id), "rw").apply { setLength(wholeLines(this)) }
    }

    private fun read(file: File): Conversation? {
        val bytes = try {
            file.readBytes()
        } catch (_: IOException) {
            return null
        }
        val whole = bytes.lastIndexOf('\n'.code.toByte()) + 1
        val lines = String(bytes, 0, whole, Charsets.UTF_8).lineSequence().filter { it.isNotEmpty() }
        val entries = lines.mapNotNull(::parse).toList()
        if (entries.firstOrNull() !is Entry.Created) return null
        val id = file.name.removeSuffix(ENDING)
        val conversation = entries.fold(Conversation(id, 0, "")) { so, entry -> so.after(entry) }
        val shortest = conversation.entries()
        if (entries.size > SLACK + 2 * shortest.size && id !in open) rewrite(file, shortest)
        return conversation
    }

    /** A line of a later version of the app says nothing to this one. */
    private fun parse(line: String): Entry? = try {
        json.decodeFromString(Entry.serializer(), line)
    } catch (_: SerializationException) {
        null
    } catch (_: IllegalArgumentException) {
        null
    }

    private fun rewrite(file: File, entries: List<Entry>) {
        val text = entries.joinToString("") { json.encodeToString(Entry.serializer(), it) + "\n" }
        try {
            AtomicFile(file).write(text)
        } catch (_: IOException) {
            // The long one is as good.
        }
    }

    private fun wholeLines(journal: RandomAccessFile): Long {
        val chunk = ByteArray(CHUNK)
        var end = journal.length()
        while (end > 0) {
            val start = maxOf(0, end - CHUNK)
            journal.seek(start)
            val size = (end - start).toInt()
            journal.readFully(chunk, 0, size)
            for (at in size - 1 downTo 0) if (chunk[at] == '\n'.code.toByte()) return start + at + 1
            end = start
        }
        return 0
    }

    private companion object {
        const val ENDING = ".jsonl"
        const val SLACK = 32
        const val CHUNK = 4096
        val json = Json { encodeDefaults = false; ignoreUnknownKeys = true }
    }
}
