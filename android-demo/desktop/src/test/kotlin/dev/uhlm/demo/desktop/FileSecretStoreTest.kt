package dev.uhlm.demo.desktop

import java.io.File
import java.io.IOException
import java.nio.file.Files
import java.nio.file.attribute.PosixFilePermissions
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import org.junit.jupiter.api.io.TempDir

class FileSecretStoreTest {
    @TempDir
    lateinit var folder: File

    @Test
    fun `a secret is kept for its owner only and an empty one is removed`() {
        val file = File(folder, "secrets.json")
        val store = FileSecretStore(file)
        assertNull(store.get("a"))
        store.put("a", "one")
        store.put("b", "two")
        store.put("a", "three")
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file.toPath())))
        assertEquals(listOf("three", "two"), listOf("a", "b").map { FileSecretStore(file).get(it) })
        store.put("a", "")
        assertEquals(listOf(null, "two"), listOf("a", "b").map { FileSecretStore(file).get(it) })
    }

    @Test
    fun `what cannot be kept safely is not kept and a damaged file holds none`() {
        val file = File(folder, "secrets.json").apply { writeText("{") }
        assertNull(FileSecretStore(file).get("a"))
        val below = File(File(folder, "file").apply { writeText("x") }, "secrets.json")
        assertFailsWith<IOException> { FileSecretStore(below).put("a", "one") }
    }
}
