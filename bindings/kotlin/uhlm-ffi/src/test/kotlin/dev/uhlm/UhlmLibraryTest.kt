package dev.uhlm

import java.io.File
import java.io.IOException
import java.nio.file.Files
import java.util.concurrent.TimeUnit
import kotlin.test.assertEquals
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledOnOs
import org.junit.jupiter.api.condition.OS
import org.junit.jupiter.api.io.TempDir

/** Real libraries in a process of its own each time: one process loads one of them for good. */
@EnabledOnOs(OS.LINUX, architectures = ["amd64"])
class UhlmLibraryTest {
    @TempDir
    lateinit var folder: File

    private val built = File(System.getProperty("uhlm.library"))
    private val baseline by lazy { folder.resolve("libuhlm_ffi.so") }
    private val avx2 by lazy { folder.resolve("libuhlm_ffi_avx2.so") }

    /** Gives the built library another name: Linux tells by which one a file was opened. */
    private fun put(file: File) {
        try {
            Files.createLink(file.toPath(), built.toPath())
        } catch (_: IOException) {
            // Temporary files are on another disk.
            built.copyTo(file)
        }
    }

    /** Returns what [Child] prints, in a process that is given these system properties beside the folder. */
    private fun child(vararg properties: String): List<String> {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val path = "-Djna.library.path=$folder"
        val command = listOf(java, path) + properties + listOf("-cp", System.getProperty("java.class.path"))
        val process = ProcessBuilder(command + Child::class.java.name)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start()
        val lines = process.inputReader().readLines()
        check(process.waitFor(1, TimeUnit.MINUTES))
        assertEquals(0, process.exitValue())
        return lines
    }

    @Test
    fun `the variant for the processor is the one that is loaded`() {
        assumeTrue("avx2" in sharedFeatures(File("/proc/cpuinfo").readText()), "no AVX2 here")
        put(baseline)
        put(avx2)
        assertEquals(listOf("variant avx2", "mapped $avx2", "version ${uhlmVersion()}"), child())

        // An app may leave it out.
        avx2.delete()
        assertEquals(listOf("variant baseline", "mapped $baseline", "version ${uhlmVersion()}"), child())
    }

    @Test
    fun `a variant that cannot be loaded is passed over`() {
        put(baseline)
        avx2.writeText("no library")
        assertEquals(listOf("variant baseline", "mapped $baseline", "version ${uhlmVersion()}"), child())
    }

    @Test
    fun `a system property wins`() {
        val named = folder.resolve("libother.so")
        put(named)
        put(avx2)
        val lines = child("-Duniffi.component.uhlm_ffi.libraryOverride=$named")
        assertEquals(listOf("variant null", "mapped $named", "version ${uhlmVersion()}"), lines)
    }
}

/** Calls into the library, and says which one that was. */
internal object Child {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val version = uhlmVersion()
        println("variant ${UhlmLibrary.variant}")
        // The last column of a mapping is the file that is mapped, by the name that it was opened with.
        val mapped = File("/proc/self/maps").readLines().map { it.substringAfterLast(' ') }
        val folder = System.getProperty("jna.library.path")
        mapped.filter { it.startsWith(folder) }.distinct().forEach { println("mapped $it") }
        println("version $version")
    }
}
