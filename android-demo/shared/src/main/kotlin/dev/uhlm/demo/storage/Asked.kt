package dev.uhlm.demo.storage

/** What a model asked of a tool while it wrote a reply. */
sealed interface Asked {
    /** Where it stands in the reply: the number of characters of its text before it. */
    val at: Int
}

/**
 * A call of a tool.
 *
 * @property round the calls of one round were made together; the model read their answers before it went on.
 * @property arguments a JSON object as the model wrote it.
 * @property answer none while it is waited for, and where the reply ended first.
 */
data class Call(
    override val at: Int,
    val round: Int,
    val id: String,
    val name: String,
    val arguments: String,
    val answer: Answer? = null,
) : Asked

/** What looked like a call and was none; nothing was done for it. */
data class Miscall(override val at: Int, val text: String, val reason: String) : Asked

/**
 * What a call got.
 *
 * @property content what the model reads of it.
 */
data class Answer(val content: String, val kind: AnswerKind)

/** How a call ended: with what the tool says, with its failure, or with the person's no. */
enum class AnswerKind { GIVEN, FAILED, REFUSED }

/** The round that a call at this place belongs to: a model that went on, with words or answers, is in the next one. */
internal fun Reply.roundAt(at: Int): Int {
    val calls = asked.filterIsInstance<Call>()
    val last = calls.lastOrNull() ?: return 0
    val isOver = last.at != at || calls.any { it.round == last.round && it.answer != null }
    return if (isOver) last.round + 1 else last.round
}

/** A stretch of a reply, in the order in which it was written. */
sealed interface Part {
    data class Words(val pieces: List<Piece>) : Part

    data class Calls(val asked: List<Asked>) : Part
}

/** The reply's words, and between them what it asked of tools. */
fun Reply.parts(): List<Part> = buildList {
    var from = 0
    for ((at, asked) in asked.groupBy(Asked::at)) {
        pieces.between(from, at).takeIf { it.isNotEmpty() }?.let { add(Part.Words(it)) }
        add(Part.Calls(asked))
        from = at
    }
    pieces.between(from, Int.MAX_VALUE).takeIf { it.isNotEmpty() }?.let { add(Part.Words(it)) }
}

/** What of the pieces stands between two places of their text. */
private fun List<Piece>.between(from: Int, until: Int): List<Piece> {
    val starts = runningFold(0) { at, piece -> at + piece.text.length }
    return mapIndexedNotNull { index, piece ->
        val (first, last) = maxOf(from, starts[index]) to minOf(until, starts[index + 1])
        if (first < last) piece.copy(text = piece.text.substring(first - starts[index], last - starts[index])) else null
    }
}
