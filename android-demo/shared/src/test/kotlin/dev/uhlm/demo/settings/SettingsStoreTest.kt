package dev.uhlm.demo.settings

import dev.uhlm.Goal
import dev.uhlm.Mode
import dev.uhlm.TrustPolicy
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.test.runTest
import org.junit.jupiter.api.io.TempDir

class SettingsStoreTest {
    @TempDir
    lateinit var folder: File

    @Test
    fun `what was changed is there the next time`() = runTest {
        val changed =
            Settings(endpoint = "https://a:1", mode = Mode.EXACT, goalValue = 0.4f, theme = Theme.DARK, open = "x")
        assertTrue(SettingsStore(folder).change { changed })
        assertEquals(changed, SettingsStore(folder).settings.value)
    }

    @Test
    fun `a damaged file counts as none and one of another version keeps what is known`() = runTest {
        val file = File(folder, "settings.json")
        for (text in listOf("", "{", "[]", "{\"maxTokens\":\"many\"}")) {
            file.writeText(text)
            assertEquals(Settings(), SettingsStore(folder).settings.value, text)
        }
        file.writeText("{\"mode\":\"TELEPATHY\",\"endpoint\":\"https://a\",\"new\":1}")
        assertEquals(Settings(endpoint = "https://a"), SettingsStore(folder).settings.value)
    }

    @Test
    fun `settings that cannot be kept hold for this run`() = runTest {
        val store = SettingsStore(File(File(folder, "file").apply { writeText("x") }, "below"))
        assertFalse(store.change { it.copy(maxTokens = 7) })
        assertEquals(7, store.settings.value.maxTokens)
    }

    @Test
    fun `each choice of trust and goal comes to the option of its name`() {
        val settings = Settings(endpoint = " https://a ", trustValue = "aa bb\ncc", goalValue = 0.5f)
        val policies = Trust.entries.map { settings.copy(trust = it).remote?.trust }
        val pins = TrustPolicy.Pins(listOf("aa", "bb", "cc"), null)
        assertEquals(
            listOf(TrustPolicy.BundledRoots, TrustPolicy.Pem("aa bb\ncc"), pins, TrustPolicy.Fingerprint("aa bb\ncc")),
            policies,
        )
        assertEquals("https://a", settings.remote?.endpoint)
        assertNull(Settings(endpoint = " ").remote)
        val goals = GoalChoice.entries.map { settings.copy(goal = it).goalOption }
        assertEquals(listOf(Goal.RiskAverse, Goal.RiskProne, Goal.ShareSent(0.5), Goal.Risk(0.5)), goals)
    }
}
