package dev.uhlm.demo.desktop

import dev.uhlm.demo.settings.SecretStore
import dev.uhlm.demo.storage.AtomicFile
import java.io.File
import kotlinx.serialization.SerializationException
import kotlinx.serialization.builtins.MapSerializer
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.json.Json

/** Secrets in a file that only its owner may read: what a desktop without a key ring has. */
class FileSecretStore(file: File) : SecretStore {
    private val file = AtomicFile(file)

    @Synchronized
    override fun get(name: String): String? = read()[name]

    @Synchronized
    override fun put(name: String, secret: String) {
        val kept = if (secret.isEmpty()) read() - name else read() + (name to secret)
        file.write(Json.encodeToString(format, kept), ownerOnly = true)
    }

    private fun read(): Map<String, String> {
        val text = file.read() ?: return emptyMap()
        return try {
            Json.decodeFromString(format, text)
        } catch (_: SerializationException) {
            emptyMap()
        }
    }

    private companion object {
        val format = MapSerializer(String.serializer(), String.serializer())
    }
}
