package dev.uhlm.demo.chat

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class ServiceStartsTest {
    private enum class Step { ASK, REFUSE, COME, STOP }

    /** What Android keeps of a service: it ends the app whose service is stopped while a start is on its way. */
    private class Phone {
        private val starts = ServiceStarts()
        private var onTheirWay = 0
        private var isWanted = false
        private var isRunning = false

        fun take(step: Step) = when (step) {
            Step.ASK -> {
                isWanted = true
                starts.asked()
                isRunning = true
                onTheirWay++
            }
            Step.REFUSE -> {
                isWanted = true
                starts.asked()
                starts.refused()
            }
            Step.COME -> if (onTheirWay > 0) come() else Unit
            Step.STOP -> {
                isWanted = false
                if (starts.mayStop()) stop() else Unit
            }
        }

        /** The starts that are on their way come; then the service runs only where it is wanted. */
        fun settle(after: List<Step>) {
            while (onTheirWay > 0) come()
            if (!isWanted) assertFalse(isRunning, "it runs on after $after")
            val lastAsked = after.lastIndexOf(Step.ASK)
            if (lastAsked > after.lastIndexOf(Step.STOP)) assertTrue(isRunning, "it was stopped after $after")
        }

        private fun come() {
            onTheirWay--
            if (!starts.came()) stop()
        }

        private fun stop() {
            assertEquals(0, onTheirWay, "Android would end the app")
            isRunning = false
        }
    }

    private fun sequences(length: Int): List<List<Step>> =
        if (length == 0) listOf(emptyList())
        else sequences(length - 1).flatMap { before -> Step.entries.map { before + it } }

    @Test
    fun `a reply that ends before the service started stops it when it has`() {
        val starts = ServiceStarts()
        starts.asked()
        assertFalse(starts.mayStop())
        assertFalse(starts.came())
        starts.asked()
        assertTrue(starts.came())
        assertTrue(starts.mayStop())
    }

    @Test
    fun `in whatever order, the service is never stopped while a start is on its way and ends when not wanted`() {
        for (steps in (0..7).flatMap(::sequences)) {
            val phone = Phone()
            steps.forEach(phone::take)
            phone.settle(steps)
        }
    }
}
