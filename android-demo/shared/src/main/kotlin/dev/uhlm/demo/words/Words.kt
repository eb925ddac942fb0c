package dev.uhlm.demo.words

import java.util.Locale
import java.util.Properties

/**
 * Returns what the app says under a key, in the system's language or else in English. [values] take the places of
 * `{0}`, `{1}` and so on. A key that is not there is returned itself; a test finds those.
 */
internal fun say(key: String, vararg values: Any): String = Words.of(Locale.getDefault()).say(key, values.asList())

/**
 * The words of one language: the file `words/LANGUAGE.properties`, read as UTF-8 on every version of Android, which
 * resource bundles are not.
 */
internal class Words private constructor(val language: String) {
    private val words = Properties().apply {
        Words::class.java.getResourceAsStream("/words/$language.properties")?.reader()?.use(::load)
    }

    val keys: Set<String> get() = words.stringPropertyNames()

    fun say(key: String, values: List<Any>): String {
        val text = words.getProperty(key) ?: return key
        return if (values.isEmpty()) text else place.replace(text) { "${values[it.groupValues[1].toInt()]}" }
    }

    companion object {
        /** Those that there is a file for; the first one is everybody else's. */
        val languages: List<String> = listOf("en", "de")

        private val place = Regex("""\{(\d)\}""")
        private val read = java.util.concurrent.ConcurrentHashMap<String, Words>()

        fun of(locale: Locale): Words {
            val language = locale.language.takeIf { it in languages } ?: languages.first()
            return read[language] ?: Words(language).also { read[language] = it }
        }
    }
}
