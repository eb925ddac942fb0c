package dev.uhlm.demo.speed

import dev.uhlm.ErrorKind
import dev.uhlm.Mode
import dev.uhlm.Recovery
import dev.uhlm.demo.FakeSessions
import dev.uhlm.demo.failed
import dev.uhlm.demo.finished
import dev.uhlm.demo.settings.Settings
import dev.uhlm.demo.settings.SettingsStore
import java.io.File
import kotlin.test.AfterTest
import kotlin.test.BeforeTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.resetMain
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.setMain
import org.junit.jupiter.api.io.TempDir

@OptIn(ExperimentalCoroutinesApi::class)
class SpeedViewModelTest {
    @TempDir
    lateinit var folder: File

    private val dispatcher = StandardTestDispatcher()
    private val sessions = FakeSessions()

    @BeforeTest
    fun main() = Dispatchers.setMain(dispatcher)

    @AfterTest
    fun noMain() = Dispatchers.resetMain()

    @Test
    fun `a measurement is of the library's own figures and sends nothing`() = runTest(dispatcher) {
        val settings = SettingsStore(folder, dispatcher)
        settings.change { Settings(endpoint = "https://a", model = "/models/toy.gguf", mode = Mode.EXACT) }
        val speed = SpeedViewModel(sessions, settings)
        speed.measure()
        runCurrent()
        assertTrue(speed.state.value.isMeasuring)
        val (_, options) = sessions.only.started.single()
        assertEquals(Mode.DEVICE_ONLY, options.mode)
        assertEquals("", sessions.asked.single().endpoint)
        // A second tap measures nothing.
        speed.measure()
        runCurrent()
        assertEquals(1, sessions.only.started.size)
        val session = sessions.only
        session.play(finished())
        session.events.close()
        runCurrent()
        assertEquals(Measured("toy", reply = 2.0, draft = 4.0, firstSeconds = 0.5), speed.state.value.measured)
        assertFalse(speed.state.value.isMeasuring)
        assertTrue(sessions.sessions.isEmpty())
    }

    @Test
    fun `a model that cannot be used is a sentence and no figure`() = runTest(dispatcher) {
        sessions.failure = failed(ErrorKind.ModelNotFound, Recovery.PROVIDE_MODEL)
        val speed = SpeedViewModel(sessions, SettingsStore(folder, dispatcher))
        speed.measure()
        runCurrent()
        assertEquals("The model is not there. Download the model first.", speed.state.value.notice)
        assertEquals(null to false, speed.state.value.run { measured to isMeasuring })
        speed.noticeSeen()
        assertEquals(null, speed.state.value.notice)
    }
}
