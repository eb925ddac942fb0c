package dev.uhlm.demo.words

import dev.uhlm.Recovery
import java.io.File
import java.util.Locale
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class WordsTest {
    private val english = Words.of(Locale.ENGLISH)
    private val german = Words.of(Locale.GERMANY)

    private fun places(words: Words, key: String) =
        Regex("""\{\d\}""").findAll(words.say(key, emptyList())).map { it.value }.toSet()

    @Test
    fun `both languages have the same keys with the same places to fill`() {
        assertEquals("de", german.language)
        assertTrue(english.keys.size > 100)
        assertEquals(english.keys, german.keys)
        for (key in english.keys) assertEquals(places(english, key), places(german, key), key)
    }

    @Test
    fun `every word that a screen asks for is there and each one is asked for`() {
        val sources = File("src/main/kotlin").walkTopDown().filter { it.extension == "kt" }.toList()
        assertTrue(sources.size > 20)
        // What is put together ("origin." + name) is looked up by the other tests.
        val literal = Regex(""""([a-z_]+(?:\.[a-z_]+)*)"""")
        val named = sources.flatMap { file -> literal.findAll(file.readText()).map { it.groupValues[1] } }.toSet()
        val asked = Regex("""say\("([^"$]+)"""")
        for (file in sources) {
            for (call in asked.findAll(file.readText())) {
                assertTrue(call.groupValues[1] in english.keys, "${file.name} asks for ${call.groupValues[1]}")
            }
        }
        val unasked = english.keys.filter { key -> key !in named && made.none(key::startsWith) && key !in onlyThere }
        assertEquals(emptyList(), unasked)
    }

    @Test
    fun `there is something to say about each way to recover`() {
        for (recovery in Recovery.entries) assertTrue("recovery.${recovery.name.lowercase()}" in english.keys)
    }

    @Test
    fun `values take their places and an unknown language gets English`() {
        val words = Words.of(Locale.JAPAN)
        assertEquals("3 MB of 5 MB", words.say("models.of", listOf("3 MB", "5 MB")))
        assertEquals("Fertig" to "Done", german.say("done", emptyList()) to words.say("done", emptyList()))
        assertEquals("no.such.key", words.say("no.such.key", emptyList()))
    }

    private companion object {
        /** Keys that are put together from one of these and a name. */
        val made =
            listOf("recovery.", "origin.", "mode.", "goal.", "thinking.", "offline.", "settings.t", "models.check.")

        /** Keys that only the iOS app says: the two systems show these things in other ways. */
        val onlyThere = setOf(
            "done", "tools.elsewhere", "list.title", "chat.stop.hint", "end.failed", "close", "settings.gpu",
            "settings.gpu.about", "problem.unknown", "problem.no_model", "problem.secret", "problem.missing",
            "problem.unreadable", "problem.not_kept",
        )
    }
}
