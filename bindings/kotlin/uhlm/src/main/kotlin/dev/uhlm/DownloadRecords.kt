package dev.uhlm

import java.io.File
import java.io.IOException
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.longOrNull
import kotlinx.serialization.json.put

/** What is known of a download that has not ended well; it outlives the process. */
internal data class DownloadRecord(
    val id: Int,
    val name: String,
    val request: DownloadRequest,
    val failure: UhlmException? = null,
) {
    val task: DownloadTask get() = DownloadTask(name, id, request.allowMetered, request.bytes?.toLong())

    /** The state that follows from the record alone. */
    val state: DownloadState
        get() = when {
            failure != null -> DownloadState.Failed(failure, request)
            request.allowMetered -> DownloadState.Waiting(WaitCause.NETWORK)
            else -> DownloadState.Waiting(WaitCause.UNMETERED_NETWORK)
        }
}

/** The records of an app's downloads, a file each. Its calls block. No token is among what they hold. */
internal class DownloadRecords(private val folder: File) {
    /** Reads all of them. A file that cannot be read is none. */
    fun read(): List<DownloadRecord> =
        folder.listFiles { file -> file.name.endsWith(ENDING) }.orEmpty().mapNotNull { file ->
            try {
                record(Json.parseToJsonElement(file.readText()).jsonObject)
            } catch (_: IOException) {
                null
            } catch (_: SerializationException) {
                null
            } catch (_: IllegalArgumentException) {
                null
            }
        }

    /** @throws IOException where it cannot be kept; the one before it stands. */
    fun write(record: DownloadRecord) {
        if (!folder.isDirectory && !folder.mkdirs()) throw IOException("the folder of downloads cannot be made")
        val next = File(folder, "${record.id}.new")
        next.writeText(json(record).toString())
        if (!next.renameTo(file(record))) throw IOException("the record of a download cannot be put in its place")
    }

    fun remove(record: DownloadRecord) {
        file(record).delete()
    }

    private fun file(record: DownloadRecord) = File(folder, "${record.id}$ENDING")

    private companion object {
        const val ENDING = ".json"
    }
}

private fun json(record: DownloadRecord) = buildJsonObject {
    put("id", record.id)
    put("name", record.name)
    with(record.request) {
        put("sources", JsonArray(sources.map(::JsonPrimitive)))
        put("asked", name)
        put("sha256", sha256)
        put("further", JsonArray(furtherSha256.map(::JsonPrimitive)))
        put("bytes", bytes?.toLong())
        put("metered", allowMetered)
        put("checked", requireSha256)
    }
    record.failure?.let {
        put("failed", failures.entries.firstOrNull { (_, kind) -> kind == it.kind }?.key ?: OTHER)
        put("recovery", it.recovery.name)
        put("reason", it.reason)
    }
}

private fun record(json: JsonObject): DownloadRecord {
    fun value(key: String) = json[key]?.jsonPrimitive ?: throw IllegalArgumentException("$key is missing")
    fun texts(key: String) = json[key]?.jsonArray.orEmpty().map { it.jsonPrimitive.content }
    val request = DownloadRequest(
        sources = texts("sources"),
        name = value("asked").contentOrNull,
        sha256 = value("sha256").contentOrNull,
        furtherSha256 = texts("further"),
        bytes = value("bytes").longOrNull?.toULong(),
        allowMetered = value("metered").boolean,
        requireSha256 = value("checked").boolean,
    )
    val failure = json["failed"]?.jsonPrimitive?.content?.let { failed ->
        val recovery = Recovery.valueOf(value("recovery").content)
        val kind = failures[failed] ?: ErrorKind.Refused
        UhlmException.Failed(kind, value("reason").content, retryable = false, recovery)
    }
    return DownloadRecord(value("id").int, value("name").content, request, failure)
}

/** How downloads fail for good. The names are written out: those of classes are not the same in every build. */
private val failures = mapOf(
    "checksum-missing" to ErrorKind.ChecksumMissing,
    "model-damaged" to ErrorKind.ModelDamaged,
    "model-not-found" to ErrorKind.ModelNotFound,
    "model-unsupported" to ErrorKind.ModelUnsupported,
    "options" to ErrorKind.InvalidOptions,
    "storage-failed" to ErrorKind.StorageFailed,
    "storage-full" to ErrorKind.StorageFull,
    "unauthorized" to ErrorKind.Unauthorized,
    "untrusted" to ErrorKind.Untrusted,
)

private const val OTHER = "refused"
