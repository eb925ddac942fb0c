package dev.uhlm.demo.chat

import dev.uhlm.Origin
import dev.uhlm.Sent
import dev.uhlm.SentKind
import dev.uhlm.SentRecord
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TestTimeSource

class LiveTest {
    private fun request(at: Int, answered: Boolean = true) =
        Sent(at.toDouble(), SentKind.ADVANCE, 1u, 10uL, answered, null)

    private fun record(total: Int, vararg requests: Sent) =
        SentRecord(requests.toList(), total.toULong(), total.toULong(), (10 * total).toULong())

    @Test
    fun `the share asked counts tokens that were decided on and no others`() {
        val clock = TestTimeSource()
        val live = Live(0.2, clock)
        assertNull(live.figures(0, 0).shareAsked)
        listOf(Origin.VERIFIED, Origin.DRAFT, Origin.UNVERIFIED).forEach(live::committed)
        live.rolledBack()
        listOf(Origin.TARGET, Origin.TARGET).forEach(live::committed)
        clock += 2.seconds
        val figures = live.figures(2, 99)
        val shown = listOf(figures.tokensPerSecond, figures.shareAsked, figures.roundTripSeconds, figures.saved)
        assertEquals(listOf(2.5, 0.5, 0.2, null), shown)
    }

    @Test
    fun `each request is taken once and one without an answer waits for the end`() {
        val reader = SentReader(record(2, request(0), request(1)))
        assertEquals(emptyList(), reader.take(record(2, request(0), request(1)), all = false))
        val first = reader.take(record(4, request(1), request(2), request(3, answered = false)), all = false)
        assertEquals(listOf(2000L), first.map { it.at })
        assertEquals(2L to 20L, reader.requests to reader.bytes)
        val rest = reader.take(record(5, request(2), request(3, answered = false), request(4)), all = true)
        assertEquals(listOf(3000L to false, 4000L to true), rest.map { it.at to it.answered })
        assertEquals(emptyList(), reader.take(record(5, request(4)), all = true))
    }

    @Test
    fun `a record that forgot requests gives those that it still has`() {
        val reader = SentReader(record(0))
        assertEquals(listOf(9000L), reader.take(record(9, request(9)), all = true).map { it.at })
    }
}
