package dev.uhlm.conformance

import dev.uhlm.*
import java.nio.file.Files
import java.nio.file.Path
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Test

/** Models that come over the network. */
class DownloadTest : Conformance() {
    private val models = facts.models
    private val folder: Path = Files.createTempDirectory("uhlm-models")
    private val store = UhlmModelStore(StoreOptions(folder.toString(), trust = models.trust))

    @AfterEach
    fun removeModels() {
        folder.toFile().deleteRecursively()
    }

    private suspend fun pull(request: DownloadRequest): Pair<List<DownloadEvent.Progress>, StoredModel> {
        val events = store.downloadFlow(request).toList()
        val model = assertIs<DownloadEvent.Finished>(events.last()).model
        return events.filterIsInstance<DownloadEvent.Progress>() to model
    }

    @Test
    fun a_model_without_a_checksum_must_be_asked_for() = testing {
        val request = DownloadRequest(listOf(models.whole))
        val error = assertFailsAs(ErrorKind.ChecksumMissing) { pull(request) }
        assertEquals(Recovery.FIX_OPTIONS, error.recovery)
        assertEquals(emptyList(), store.list())
        assertEquals(emptyList(), store.unfinished())
        assertFailsAs(ErrorKind.ModelDamaged) { pull(request.copy(sha256 = "ab".repeat(32))) }
        for (asked in listOf(request.copy(requireSha256 = false), request.copy(sha256 = models.wholeSha256))) {
            val (_, model) = pull(asked)
            assertEquals(models.wholeSha256, model.sha256)
            store.delete(model.name)
        }
    }

    @Test
    fun the_parts_of_a_split_model_come_as_one() = testing {
        val (first, second, third) = models.splitSha256
        val request = DownloadRequest(listOf(models.split), sha256 = first)
        assertFailsAs(ErrorKind.ChecksumMissing) { pull(request) }
        assertFailsAs(ErrorKind.ModelDamaged) { pull(request.copy(furtherSha256 = listOf(first, third))) }
        val (progress, model) = pull(request.copy(furtherSha256 = listOf(second, third)))
        assertTrue(progress.isNotEmpty())
        for (step in progress) {
            assertTrue(step.received <= model.bytes && step.part <= 3u && step.parts == 3u, "$step")
            assertTrue(step.part == 0u || step.total == model.bytes, "$step")
        }
        assertEquals(first, model.sha256)
        assertEquals(listOf(second, third), model.furtherParts.map { it.sha256 })
        UhlmEngine.load(ModelOptions(model.path)).close()
    }
}
