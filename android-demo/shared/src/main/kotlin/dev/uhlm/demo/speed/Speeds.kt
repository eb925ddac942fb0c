package dev.uhlm.demo.speed

import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Figures
import dev.uhlm.demo.storage.Reply

/**
 * How fast replies with one model were: medians, because one reply that waited for the network says little.
 *
 * @property replies how many they are the medians of.
 * @property reply tokens a second of the reply, waiting included.
 * @property draft tokens that the device drafted, a second of its work on them; none where it drafted nothing.
 * @property asked share of the draft tokens that the server was asked about; none where nothing was decided.
 * @property bytes what was exchanged for a reply.
 */
data class ModelSpeed(
    val model: String,
    val replies: Int,
    val reply: Double,
    val draft: Double?,
    val asked: Double?,
    val bytes: Double,
)

/** A reply with its figures, and the title of the conversation that it is in. */
data class PastReply(val at: Long, val title: String, val figures: Figures)

/** What the app counted while it wrote its last replies; nothing in it is estimated. */
data class Speeds(val models: List<ModelSpeed>, val last: List<PastReply>)

/** Sums up the figures that conversations hold: of each model the last [OF_EACH] replies, and the last [SHOWN] ones. */
internal fun speeds(conversations: List<Conversation>): Speeds {
    val replies = conversations.flatMap { conversation ->
        conversation.turns.filterIsInstance<Reply>().mapNotNull { reply ->
            // One without a token says nothing about speed.
            val figures = reply.end?.figures?.takeIf { it.tokens > 0 } ?: return@mapNotNull null
            PastReply(reply.at, conversation.title, figures)
        }
    }.sortedByDescending { it.at }
    // Replies of earlier versions of the app do not say which model wrote them.
    val byModel = replies.map { it.figures }.filter { it.model != null }.groupBy { it.model.orEmpty() }
    return Speeds(byModel.map { (model, figures) -> speed(model, figures.take(OF_EACH)) }, replies.take(SHOWN))
}

private fun speed(model: String, figures: List<Figures>) = ModelSpeed(
    model = model,
    replies = figures.size,
    reply = checkNotNull(median(figures.map { it.tokensPerSecond })),
    draft = median(figures.mapNotNull { it.draftRate }),
    asked = median(figures.mapNotNull { it.shareAsked }),
    bytes = checkNotNull(median(figures.map { (it.bytesUp + it.bytesDown).toDouble() })),
)

/** Tokens drafted a second of the work on them; none where nothing was drafted or that is not known. */
internal val Figures.draftRate: Double?
    get() = rate(drafted ?: 0, draftingSeconds ?: 0.0)

internal fun rate(tokens: Long, seconds: Double): Double? = if (tokens > 0 && seconds > 0) tokens / seconds else null

internal fun median(numbers: List<Double>): Double? {
    val sorted = numbers.sorted()
    val middle = sorted.size / 2
    return when {
        sorted.isEmpty() -> null
        sorted.size % 2 == 1 -> sorted[middle]
        else -> (sorted[middle - 1] + sorted[middle]) / 2
    }
}

/** How many replies of a model its medians are of. */
private const val OF_EACH = 50

/** How many replies are shown one by one. */
private const val SHOWN = 10
