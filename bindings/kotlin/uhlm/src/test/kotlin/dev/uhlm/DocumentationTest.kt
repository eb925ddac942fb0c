package dev.uhlm

import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test

/** The page that developers read, and the two builds, say the same as the code that is tested. */
class DocumentationTest {
    private val repository = File(System.getProperty("uhlm.repository"))
    private val kotlin = repository.resolve("bindings/kotlin")

    @Test
    fun `every Kotlin snippet of the page is a region of a file that is compiled`() {
        val page = repository.resolve("docs/kotlin.md").readText()
        val snippet = Regex("```kotlin\n(.*?)```", RegexOption.DOT_MATCHES_ALL)
        val snippets = snippet.findAll(page).map { it.groupValues[1].trimEnd() }
        val samples = kotlin.resolve("uhlm/src/test/kotlin/dev/uhlm/samples/Samples.kt").readText()
        val regions = regions(samples)
        assertTrue(snippets.count() >= 8)
        for (snippet in snippets) assertTrue(snippet in regions.values, "not in Samples.kt:\n$snippet")
        val unused = regions.filterValues { it !in snippets }
        assertEquals(emptySet(), unused.keys)
    }

    @Test
    fun `the Android build takes the versions that are tested here`() {
        val pom = kotlin.resolve("pom.xml").readText()
        val catalog = kotlin.resolve("uhlm-android/gradle/libs.versions.toml").readText()
        fun element(name: String) = Regex("<$name>([^<]+)</$name>").find(pom)?.groupValues?.get(1)
        fun entry(name: String) = Regex("(?m)^$name = \"([^\"]+)\"").find(catalog)?.groupValues?.get(1)
        for (name in listOf("kotlin", "stdlib", "coroutines", "serialization", "jna")) {
            assertEquals(assertNotNull(element("$name.version")), entry(name), name)
        }
        assertEquals(assertNotNull(element("kotlin.floor")), entry("floor"))
    }

    /** The text between `// region NAME` and `// endregion`, without the indentation that all its lines share. */
    private fun regions(source: String): Map<String, String> {
        val region = Regex("(?ms)^ *// region (\\S+)\n(.*?)^ *// endregion")
        return region.findAll(source).associate { it.groupValues[1] to it.groupValues[2].trimIndent().trimEnd() }
    }
}
