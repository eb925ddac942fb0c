package dev.uhlm.demo.speed

import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.demo.storage.Conversation
import dev.uhlm.demo.storage.Figures
import dev.uhlm.demo.storage.Reply
import dev.uhlm.demo.storage.ReplyEnd
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull

class SpeedsTest {
    private fun figures(rate: Double, model: String?, drafted: Long? = null, asked: Double? = null, tokens: Long = 9) =
        Figures(tokens, rate, asked, 100, 20, 1, model = model)
            .copy(drafted = drafted, draftingSeconds = drafted?.let { 2.0 })

    private fun conversation(title: String, vararg figures: Figures?) = Conversation(
        title,
        created = 0,
        title = title,
        turns = figures.mapIndexed { at, of ->
            Reply(at.toLong(), Mode.EXACT, end = ReplyEnd(FinishReason.MAX_TOKENS, figures = of))
        },
    )

    @Test
    fun `a model's figures are medians of its replies`() {
        val one = figures(1.0, "a", drafted = 10, asked = 0.5)
        val two = figures(100.0, "a", drafted = 40)
        val three = figures(3.0, "a", drafted = 20, asked = 0.1)
        val speeds = speeds(listOf(conversation("x", one, two), conversation("y", three, figures(7.0, "b"))))
        val a = speeds.models.first { it.model == "a" }
        assertEquals(ModelSpeed("a", replies = 3, reply = 3.0, draft = 10.0, asked = 0.3, bytes = 120.0), a)
        // What was drafted is not known of the other one.
        assertNull(speeds.models.first { it.model == "b" }.draft)
    }

    @Test
    fun `the last replies come first and those that say nothing do not come`() {
        val silent = figures(0.0, "a", tokens = 0)
        val old = figures(5.0, null)
        val speeds = speeds(listOf(conversation("x", figures(1.0, "a"), null, silent, figures(2.0, "a"), old)))
        assertEquals(listOf(5.0, 2.0, 1.0), speeds.last.map { it.figures.tokensPerSecond })
        assertEquals(listOf("a" to 2), speeds.models.map { it.model to it.replies })
    }

    @Test
    fun `there is nothing to show before the first reply`() {
        assertEquals(Speeds(emptyList(), emptyList()), speeds(listOf(conversation("x"))))
        assertNull(median(emptyList()))
        assertNull(rate(3, 0.0))
    }
}
