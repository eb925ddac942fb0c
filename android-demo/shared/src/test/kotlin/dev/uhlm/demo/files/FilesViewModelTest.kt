package dev.uhlm.demo.files

import dev.uhlm.demo.platform.PickedFile
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.io.OutputStream
import kotlin.test.AfterTest
import kotlin.test.BeforeTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.UnconfinedTestDispatcher
import kotlinx.coroutines.test.resetMain
import kotlinx.coroutines.test.setMain

@OptIn(ExperimentalCoroutinesApi::class)
class FilesViewModelTest {
    private val screen = UnconfinedTestDispatcher()
    private val disk = StandardTestDispatcher(screen.scheduler)
    private val files by lazy { FilesViewModel(disk) }
    private val picked = mutableListOf<String>()

    @BeforeTest
    fun main() = Dispatchers.setMain(screen)

    @AfterTest
    fun noMain() = Dispatchers.resetMain()

    private fun file(name: String) = PickedFile(name) { name.byteInputStream() }

    private fun write(open: (() -> OutputStream)?) {
        files.saved(open)
        screen.scheduler.runCurrent()
    }

    @Test
    fun `a picked file goes to who asked, once`() {
        files.pick { picked += "a model ${it.name}" }
        files.picked(file("a.gguf"))
        files.pick { picked += "a calibration ${it.name}" }
        files.picked(file("b.json"))
        assertEquals(listOf("a model a.gguf", "a calibration b.json"), picked)
        assertNull(files.notice.value)
    }

    @Test
    fun `who picks nothing is told nothing, and the next file is for who asks then`() {
        files.pick { picked += "first" }
        files.picked(null)
        files.pick { picked += "second" }
        files.picked(file("a"))
        assertEquals(listOf("second"), picked)
        assertNull(files.notice.value)
    }

    @Test
    fun `a file that nobody waits for any more is to be chosen again`() {
        files.picked(file("a"))
        assertEquals("The app was ended meanwhile. Choose the file again.", files.notice.value)
        files.noticeSeen()
        assertNull(files.notice.value)
    }

    @Test
    fun `a text is saved where the person wants it, and not by the thread of the screen`() {
        val written = ByteArrayOutputStream()
        files.save("Grüße")
        files.saved { written }
        assertEquals(0, written.size())
        screen.scheduler.runCurrent()
        assertEquals("Grüße", written.toString(Charsets.UTF_8))
        assertNull(files.notice.value)
    }

    @Test
    fun `a text that cannot be saved is told of`() {
        val failing = listOf(
            { throw IOException("gone") },
            {
                object : OutputStream() {
                    override fun write(byte: Int) = throw IOException("full")
                }
            },
            {
                object : ByteArrayOutputStream() {
                    override fun close() = throw IOException("not sent to the server that keeps it")
                }
            },
        )
        for (open in failing) {
            files.save("text")
            write(open)
            assertEquals("The file could not be saved.", files.notice.value)
            files.noticeSeen()
        }
    }

    @Test
    fun `a file whose text went with the process is told of and stays empty`() {
        var isOpened = false
        write {
            isOpened = true
            ByteArrayOutputStream()
        }
        assertTrue(!isOpened)
        assertEquals("The file could not be saved.", files.notice.value)
    }

    @Test
    fun `who saves nowhere is told nothing`() {
        files.save("text")
        write(null)
        assertNull(files.notice.value)
    }
}
