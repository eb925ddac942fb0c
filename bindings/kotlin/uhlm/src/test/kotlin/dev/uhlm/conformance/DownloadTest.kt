package dev.uhlm.conformance

import dev.uhlm.*
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption
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

    @Test
    fun a_file_that_something_else_brought_is_checked_and_taken() = testing {
        val named = store.files(DownloadRequest(listOf(models.split), requireSha256 = false))
        assertEquals(3, named.size)
        assertTrue(named.all { it.url.startsWith("https://") && it.bytes != null }, "$named")
        assertEquals(emptyList(), store.list(), "nothing was loaded")
        assertFailsAs(ErrorKind.ChecksumMissing) { store.files(DownloadRequest(listOf(models.split))) }

        val brought = Files.createTempFile("brought", null)
        Files.copy(Path.of(facts.draft), brought, StandardCopyOption.REPLACE_EXISTING)
        suspend fun adopt(sha256: String?) = store.adopt(brought.toString(), "mine.gguf", sha256)
        assertFailsAs(ErrorKind.ModelDamaged) { adopt(models.splitSha256[0]) }
        assertTrue(Files.exists(brought), "it stays where it was")
        val model = adopt(null)
        assertTrue(Files.notExists(brought))
        UhlmEngine.load(ModelOptions(model.path)).close()
        assertTrue(store.verify("mine.gguf"), "its hash is known from then on")
        Files.writeString(brought, "<html>Please log in</html>")
        assertFailsAs(ErrorKind.ModelDamaged) { adopt(null) }
        Files.delete(brought)
    }

    @Test
    fun a_link_pairs_an_app_with_a_verifier() = testing {
        val sha256 = "ab".repeat(32)
        val address = "uhlm://verifier?url=https%3A%2F%2F192.0.2.5%3A8443"
        val link = VerifierLink("$address&sha256=$sha256&token=a%2Bsecret")
        assertEquals("https://192.0.2.5:8443", link.endpoint())
        assertEquals(TrustPolicy.Fingerprint(sha256), link.trust())
        assertEquals(listOf(sha256, "a+secret"), listOf(link.fingerprint(), link.token()))
        val open = VerifierLink("uhlm://verifier?url=https%3A%2F%2Fexample.org")
        assertEquals(TrustPolicy.BundledRoots, open.trust())
        assertEquals(null, open.token())
        val plain = "uhlm://verifier?url=http%3A%2F%2Fexample.org"
        for (wrong in listOf("", "https://example.org", plain, "uhlm://verifier")) {
            assertFailsAs(ErrorKind.InvalidOptions) { VerifierLink(wrong) }
        }
    }
}
