package dev.uhlm.demo.storage

import dev.uhlm.Consent
import dev.uhlm.Mode
import dev.uhlm.Origin
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/** What a line of a conversation's journal says. The conversation is what all its lines come to. */
@Serializable
sealed interface Entry {
    @Serializable
    @SerialName("created")
    data class Created(val at: Long, val title: String, val version: Int = 1) : Entry

    @Serializable
    @SerialName("titled")
    data class Titled(val title: String) : Entry

    @Serializable
    @SerialName("consent")
    data class Consented(val consent: Consent, val server: String? = null) : Entry

    @Serializable
    @SerialName("said")
    data class SaidText(val at: Long, val text: String) : Entry

    @Serializable
    @SerialName("reply")
    data class ReplyBegan(val at: Long, val mode: Mode) : Entry

    /** Text of the reply that began last. */
    @Serializable
    @SerialName("text")
    data class Committed(
        val text: String,
        @Serializable(StoredOrigin::class) val origin: Origin,
        val corrected: Boolean = false,
    ) : Entry

    /** Text that the model thought before the reply that began last. */
    @Serializable
    @SerialName("thought")
    data class Reasoned(val text: String) : Entry

    /** The model called a tool in the reply that began last. */
    @Serializable
    @SerialName("call")
    data class Called(val id: String, val name: String, val arguments: String) : Entry

    /** What a call of the reply that began last got. */
    @Serializable
    @SerialName("answer")
    data class CallAnswered(val id: String, val content: String, val kind: AnswerKind = AnswerKind.GIVEN) : Entry

    /** The model wrote what looks like a call and is none. */
    @Serializable
    @SerialName("miscall")
    data class Miscalled(val text: String, val reason: String) : Entry

    @Serializable
    @SerialName("end")
    data class ReplyEnded(val end: ReplyEnd) : Entry

    /** The last reply is void: it is asked for again. */
    @Serializable
    @SerialName("again")
    data object ReplyDropped : Entry

    /** Only the first [turns] stand: what followed them is said in another way. */
    @Serializable
    @SerialName("cut")
    data class Cut(val turns: Int) : Entry

    @Serializable
    @SerialName("sent")
    data class WasSent(val sent: SentEntry) : Entry

    @Serializable
    @SerialName("forgot")
    data object SentForgotten : Entry
}

/** The conversation after an entry. An entry that does not fit changes nothing. */
fun Conversation.after(entry: Entry): Conversation = when (entry) {
    is Entry.Created -> copy(created = entry.at, title = entry.title)
    is Entry.Titled -> copy(title = entry.title)
    is Entry.Consented ->
        copy(consent = entry.consent, consentTo = entry.server, withdrawn = entry.consent == Consent.WITHHELD)
    is Entry.SaidText -> copy(turns = turns + Said(entry.at, entry.text))
    is Entry.ReplyBegan -> copy(turns = turns + Reply(entry.at, entry.mode))
    is Entry.Committed -> reply {
        it.copy(pieces = it.pieces.plusPiece(Piece(entry.text, entry.origin, entry.corrected)))
     }
    is Entry.Reasoned -> reply { it.copy(reasoning = it.reasoning + entry.text) }
    is Entry.Called -> reply {
        val at = it.text.length
        it.copy(asked = it.asked + Call(at, it.roundAt(at), entry.id, entry.name, entry.arguments))
    }
    is Entry.CallAnswered -> reply { reply ->
        val answer = Answer(entry.content, entry.kind)
        reply.copy(asked = reply.asked.map { if (it is Call && it.id == entry.id) it.copy(answer = answer) else it })
    }
    is Entry.Miscalled -> reply { it.copy(asked = it.asked + Miscall(it.text.length, entry.text, entry.reason)) }
    is Entry.ReplyEnded -> reply { it.copy(end = entry.end) }
    Entry.ReplyDropped -> if (turns.lastOrNull() is Reply) copy(turns = turns.dropLast(1)) else this
    is Entry.Cut -> copy(turns = turns.take(entry.turns))
    is Entry.WasSent -> copy(sent = sent + entry.sent)
    Entry.SentForgotten -> copy(sent = emptyList())
}

private fun Conversation.reply(change: (Reply) -> Reply): Conversation {
    val last = turns.lastOrNull() as? Reply ?: return this
    return copy(turns = turns.dropLast(1) + change(last))
}

/** The shortest journal that comes to this conversation. */
internal fun Conversation.entries(): List<Entry> = buildList {
    add(Entry.Created(created, title))
    if (consent != Consent.WITHHELD || withdrawn) add(Entry.Consented(consent, consentTo))
    for (turn in turns) when (turn) {
        is Said -> add(Entry.SaidText(turn.at, turn.text))
        is Reply -> {
            add(Entry.ReplyBegan(turn.at, turn.mode))
            if (turn.reasoning.isNotEmpty()) add(Entry.Reasoned(turn.reasoning))
            for (part in turn.parts()) when (part) {
                is Part.Words -> part.pieces.forEach { add(Entry.Committed(it.text, it.origin, it.corrected)) }
                is Part.Calls -> addAll(part.asked.entries())
            }
            turn.end?.let { add(Entry.ReplyEnded(it)) }
        }
    }
    sent.forEach { add(Entry.WasSent(it)) }
}

/** The answers of a round stand behind all its calls: a call behind an answer would begin another round. */
private fun List<Asked>.entries(): List<Entry> = buildList {
    val waiting = mutableListOf<Entry>()
    var round = -1
    for (asked in this@entries) when (asked) {
        is Miscall -> add(Entry.Miscalled(asked.text, asked.reason))
        is Call -> {
            if (asked.round != round) addAll(waiting).also { waiting.clear() }
            round = asked.round
            add(Entry.Called(asked.id, asked.name, asked.arguments))
            asked.answer?.let { waiting += Entry.CallAnswered(asked.id, it.content, it.kind) }
        }
    }
    addAll(waiting)
}
