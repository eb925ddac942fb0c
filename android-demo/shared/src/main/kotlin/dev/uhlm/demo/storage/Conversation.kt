package dev.uhlm.demo.storage

import dev.uhlm.Consent
import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.SentKind
import kotlinx.serialization.Serializable

/** A conversation as it lies on the device. */
data class Conversation(
    val id: String,
    val created: Long,
    val title: String,
    val turns: List<Turn> = emptyList(),
    /** What the person agreed to send of it. [Consent.MESSAGE] is never kept: it is asked for anew. */
    val consent: Consent = Consent.WITHHELD,
    val sent: List<SentEntry> = emptyList(),
    /** The server that [consent] was said for; none in files of earlier versions, for which it is asked again. */
    val consentTo: String? = null,
    /** Whether the person took it back: from then on it is asked for, whatever Settings say. */
    val withdrawn: Boolean = false,
) {
    /** Whether all of it may be sent to a server, by what was said in it or once for every conversation. */
    fun mayBeSent(server: String, agreed: Set<String>): Boolean =
        (consent == Consent.CONVERSATION && consentTo == server) || (server in agreed && !withdrawn)

    /** When something was last said. */
    val touched: Long get() = turns.maxOfOrNull { it.at } ?: created
}

/** What one side said. */
sealed interface Turn {
    /** Milliseconds since 1970. */
    val at: Long
}

/** A message of the person. */
data class Said(override val at: Long, val text: String) : Turn

/** The answer to the message before it, as far as it was committed. */
data class Reply(
    override val at: Long,
    val mode: Mode,
    val pieces: List<Piece> = emptyList(),
    /** None while it is written, and for one that was cut off with the app. */
    val end: ReplyEnd? = null,
    /** What the model thought before it replied; no part of the reply. */
    val reasoning: String = "",
    /** What it asked of tools, in order. */
    val asked: List<Asked> = emptyList(),
) : Turn {
    val text: String get() = pieces.joinToString("") { it.text }
}

/**
 * Text of one origin.
 *
 * @property corrected whether the server put it in the place of another word of the device.
 */
data class Piece(val text: String, val origin: Origin, val corrected: Boolean = false)

/** How a reply ended. */
@Serializable
data class ReplyEnd(
    /** None where it failed. */
    val finish: FinishReason? = null,
    val problem: Problem? = null,
    val figures: Figures? = null,
)

/** Why a reply failed: one sentence for the person, and what can be done. */
@Serializable
data class Problem(val hint: String, val recovery: dev.uhlm.Recovery)

/** What the line under a reply shows. */
@Serializable
data class Figures(
    val tokens: Long,
    val tokensPerSecond: Double,
    /** Share of the decided draft tokens that the large model was asked about; none before one was decided. */
    val shareAsked: Double?,
    val bytesUp: Long,
    val bytesDown: Long,
    /** Requests to the verifier. */
    val requests: Long,
    /** Median from sending a window until its verdict. */
    val roundTripSeconds: Double? = null,
    /** Whether the server was asked and never answered. */
    val unanswered: Boolean = false,
    /**
     * Share of the large model's forward passes that were saved against one for each token; none while the reply is
     * written, and where nothing was judged.
     */
    val saved: Double? = null,
    /** Whether the draft model, which has another vocabulary than the large model, proposed text across a bridge. */
    val bridged: Boolean = false,
    /** Whether a chat service behind the server wrote the reply, by which nothing is judged. */
    val handedOff: Boolean = false,
    /** Tokens that the device drafted; none while the reply is written, and in those of earlier versions. */
    val drafted: Long? = null,
    /** Time that the drafting of these took, prompt excluded. */
    val draftingSeconds: Double? = null,
    /** The draft model, by the name of its file without its ending. */
    val model: String? = null,
)

/** One request that left the device. */
@Serializable
data class SentEntry(
    /** Milliseconds since 1970. */
    val at: Long,
    @Serializable(StoredSentKind::class)
    val kind: SentKind,
    val tokens: Long,
    val bytes: Long,
    /** Whether an answer came. Without one it may or may not have arrived. */
    val answered: Boolean,
    /** What it said, where the person asked for that to be kept. */
    val text: String? = null,
)

/** Adds text, to the last piece where the origin is the same. */
internal fun List<Piece>.plusPiece(piece: Piece): List<Piece> {
    val last = lastOrNull()
    return when {
        piece.text.isEmpty() -> this
        last?.origin == piece.origin && last.corrected == piece.corrected ->
            dropLast(1) + last.copy(text = last.text + piece.text)
        else -> this + piece
    }
}
