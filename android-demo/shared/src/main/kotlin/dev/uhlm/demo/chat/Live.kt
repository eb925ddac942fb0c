package dev.uhlm.demo.chat

import dev.uhlm.Origin
import dev.uhlm.SentRecord
import dev.uhlm.Statistics
import dev.uhlm.demo.storage.Figures
import dev.uhlm.demo.storage.SentEntry
import kotlin.time.TimeMark
import kotlin.time.TimeSource

/** Counts a reply while it is written; the library's own statistics take its place at the end. */
internal class Live(private val lastRoundTrip: Double?, clock: TimeSource = TimeSource.Monotonic) {
    private val start: TimeMark = clock.markNow()
    private var tokens = 0L
    private var judged = 0L
    private var skipped = 0L

    fun committed(origin: Origin) {
        tokens++
        when (origin) {
            Origin.VERIFIED -> judged++
            Origin.DRAFT, Origin.UNVERIFIED -> skipped++
            // No drafted token, or one that `rolledBack` counted.
            Origin.TARGET -> Unit
        }
    }

    /** One drafted token was judged and differed; nobody decided on those that it took along. */
    fun rolledBack() {
        judged++
    }

    fun figures(requests: Long, bytes: Long): Figures {
        val seconds = start.elapsedNow().inWholeMicroseconds / 1e6
        return Figures(
            tokens = tokens,
            tokensPerSecond = if (seconds > 0) tokens / seconds else 0.0,
            shareAsked = if (judged + skipped == 0L) null else judged.toDouble() / (judged + skipped),
            bytesUp = bytes,
            bytesDown = 0,
            requests = requests,
            roundTripSeconds = lastRoundTrip,
        )
    }
}

internal fun figures(statistics: Statistics, requests: Long) = Figures(
    tokens = statistics.tokens.toLong(),
    tokensPerSecond = statistics.tokensPerSecond,
    shareAsked = statistics.transmissionRate.takeIf { statistics.judged + statistics.skipped != 0uL },
    bytesUp = statistics.bodyUp.toLong(),
    bytesDown = statistics.bodyDown.toLong(),
    requests = requests,
    roundTripSeconds = statistics.medianVerdictSeconds,
    unanswered = requests > 0 && statistics.bodyDown == 0uL,
    saved = if (statistics.verdicts != 0uL && statistics.tokens != 0uL) {
        (1 - statistics.targetPassesPerToken).coerceAtLeast(0.0)
    } else {
        null
    },
    bridged = statistics.bridged,
    handedOff = statistics.handedOff,
    drafted = statistics.drafted.toLong(),
    draftingSeconds = statistics.draftingSeconds,
)

/** Takes from a session's record what was not taken yet: first what was answered, the rest when the reply has ended. */
internal class SentReader(before: SentRecord) {
    private val requestsBefore = before.totalRequests
    private val bytesBefore = before.totalBytes
    private var taken = before.totalRequests
    var requests = 0L
        private set
    var bytes = 0L
        private set

    fun take(record: SentRecord, all: Boolean): List<SentEntry> {
        requests = (record.totalRequests - requestsBefore).toLong()
        bytes = (record.totalBytes - bytesBefore).toLong()
        val new = (record.totalRequests - taken).toLong().coerceAtMost(record.requests.size.toLong())
        val fresh = record.requests.takeLast(new.toInt())
        val done = if (all) fresh else fresh.takeWhile { it.answered }
        taken += (if (all) record.totalRequests - taken else done.size.toULong())
        return done.map {
            val at = (it.atSeconds * 1000).toLong()
            SentEntry(at, it.kind, it.tokens.toLong(), it.bytes.toLong(), it.answered, it.text)
        }
    }
}
