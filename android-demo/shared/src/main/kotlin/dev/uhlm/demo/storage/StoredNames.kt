package dev.uhlm.demo.storage

import dev.uhlm.Origin
import dev.uhlm.SentKind
import kotlinx.serialization.KSerializer
import kotlinx.serialization.descriptors.PrimitiveKind
import kotlinx.serialization.descriptors.PrimitiveSerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder

/** A name in a file, which may be one that another version of the app wrote. */
internal abstract class StoredName<T : Enum<T>>(name: String) : KSerializer<T> {
    override val descriptor = PrimitiveSerialDescriptor(name, PrimitiveKind.STRING)

    override fun serialize(encoder: Encoder, value: T) = encoder.encodeString(value.name)

    override fun deserialize(decoder: Decoder): T = read(decoder.decodeString())

    /** What a name means to this version. A line is never lost for a name that is not known. */
    protected abstract fun read(name: String): T
}

/**
 * Earlier versions told the word that took the place of a rejected one (`RESAMPLED`) from one that the server added
 * (`BONUS`): the server wrote both. An origin of a later version counts as not checked.
 */
internal object StoredOrigin : StoredName<Origin>("dev.uhlm.demo.Origin") {
    override fun read(name: String): Origin = when (name) {
        "RESAMPLED", "BONUS" -> Origin.TARGET
        else -> Origin.entries.find { it.name == name } ?: Origin.UNVERIFIED
    }
}

/**
 * Everything that earlier versions sent beside opening a session (`WINDOW`, `DRAWS`, `CONTINUATION`) is one kind now.
 */
internal object StoredSentKind : StoredName<SentKind>("dev.uhlm.demo.SentKind") {
    override fun read(name: String): SentKind = if (name == SentKind.OPEN.name) SentKind.OPEN else SentKind.ADVANCE
}
