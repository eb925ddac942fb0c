package dev.uhlm.demo.desktop

import java.util.Properties

/** The app's words in one language, as its table has them: a test knows them by their keys. */
class WordTable(language: String) {
    private val words = Properties().apply {
        WordTable::class.java.getResourceAsStream("/words/$language.properties")!!.reader().use(::load)
    }

    /** What every key says, places for values included. */
    val all: Map<String, String> = words.stringPropertyNames().associateWith { words.getProperty(it) }

    /** What a key says. */
    operator fun get(key: String): String = all.getValue(key)
}
