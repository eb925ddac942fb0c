package dev.uhlm

import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.jupiter.api.Test

@OptIn(ExperimentalCoroutinesApi::class)
class StatusTest {
    private val idle = SessionStatus(generating = false, link = LinkState.ONLINE)
    private val busy = idle.copy(generating = true)
    private val cutOff = busy.copy(link = LinkState.OFFLINE)

    @Test
    fun `the flow has each status and ends with the session`() = runTest {
        val session = FakeSession()
        val seen = mutableListOf<SessionStatus>()
        val job = launch(start = CoroutineStart.UNDISPATCHED) { session.statusFlow().toList(seen) }
        for (status in listOf(busy, cutOff, idle)) {
            session.status.value = status
            runCurrent()
        }
        session.shutDown()
        runCurrent()
        assertTrue(job.isCompleted)
        assertEquals(listOf(idle, busy, cutOff, idle), seen)
        assertEquals(1, session.closedUpdates)
    }

    @Test
    fun `a collector that leaves closes the handle`() = runTest {
        val session = FakeSession()
        assertEquals(idle, session.statusFlow().first())
        val job = launch(start = CoroutineStart.UNDISPATCHED) { session.statusFlow().collect() }
        job.cancelAndJoin()
        assertEquals(2, session.closedUpdates)
    }

    @Test
    fun `a session that is shut down while it generates does not stay generating`() = runTest {
        val session = FakeSession()
        session.status.value = cutOff
        val state = session.statusIn(backgroundScope)
        runCurrent()
        assertEquals(cutOff, state.value)
        session.shutDown()
        runCurrent()
        assertEquals(cutOff.copy(generating = false), state.value)
    }

    @Test
    fun `the state has a value at once`() = runTest {
        val session = FakeSession()
        session.status.value = busy
        assertEquals(busy, session.statusIn(backgroundScope).value)
    }

    @Test
    fun `the status of a session that was shut down is an error`() = runTest {
        val session = FakeSession()
        session.shutDown()
        assertFailsAs(ErrorKind.SessionClosed) { session.statusFlow().toList() }
        assertFailsAs(ErrorKind.SessionClosed) { session.statusIn(backgroundScope) }
    }
}
