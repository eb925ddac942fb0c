import Foundation
import XCTest

@testable import Uhlm

/// `tests/conformance.md`: models that come over the network.
final class DownloadConformanceTests: Suite {
    private func place() throws -> (models: Fixture.Models, store: UhlmModelStore) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
        let models = try ready.models
        let options = StoreOptions(folder: folder.path, trust: .pem(roots: models.roots))
        return (models, try UhlmModelStore(options: options))
    }

    /// What was told of a download, and its model.
    private func pull(
        _ store: UhlmModelStore, _ request: DownloadRequest
    ) async throws -> (events: [DownloadEvent], model: StoredModel) {
        let download = try store.download(request: request)
        var events: [DownloadEvent] = []
        while let event = try await download.next() {
            if case .finished(let model) = event { return (events, model) }
            events.append(event)
        }
        throw TookTooLong(description: "the download ended without a model")
    }

    func test_a_model_without_a_checksum_must_be_asked_for() async throws {
        let (models, store) = try place()
        let request = DownloadRequest(sources: [models.whole])
        let missing = await error { try await pull(store, request) }
        XCTAssertEqual(missing?.kind, .checksumMissing)
        XCTAssertEqual(missing?.recovery, .fixOptions)
        let (there, unfinished) = (try await store.list(), try await store.unfinished())
        XCTAssertEqual(there, [])
        XCTAssertEqual(unfinished, [])
        var (wrong, believed, known) = (request, request, request)
        wrong.sha256 = String(repeating: "ab", count: 32)
        let other = wrong
        let damaged = await error { try await pull(store, other) }
        XCTAssertEqual(damaged?.kind, .modelDamaged)
        believed.requireSha256 = false
        known.sha256 = models.wholeSha256
        for request in [believed, known] {
            let (_, model) = try await pull(store, request)
            XCTAssertEqual(model.sha256, models.wholeSha256)
            _ = try await store.delete(name: model.name)
        }
    }

    func test_the_parts_of_a_split_model_come_as_one() async throws {
        let (models, store) = try place()
        let digests = models.splitSha256
        let lacking = DownloadRequest(sources: [models.split], sha256: digests[0])
        let missing = await error { try await pull(store, lacking) }
        XCTAssertEqual(missing?.kind, .checksumMissing)
        var request = lacking
        request.furtherSha256 = [digests[0], digests[2]]
        let wrong = request
        let damaged = await error { try await pull(store, wrong) }
        XCTAssertEqual(damaged?.kind, .modelDamaged)
        request.furtherSha256 = Array(digests[1...])
        let (events, model) = try await pull(store, request)
        XCTAssertFalse(events.isEmpty)
        for event in events {
            guard case .progress(_, let received, let total, let part, let parts) = event else { continue }
            XCTAssertTrue(received <= model.bytes && part <= 3 && parts == 3, "\(event)")
            XCTAssertTrue(part == 0 || total == model.bytes, "\(event)")
        }
        XCTAssertEqual(model.sha256, digests[0])
        XCTAssertEqual(model.furtherParts.map(\.sha256), digests[1...].map { $0 })
        _ = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: model.path))
    }

    func test_a_file_that_something_else_brought_is_checked_and_taken() async throws {
        let (models, store) = try place()
        let named = try await store.files(request: DownloadRequest(sources: [models.split], requireSha256: false))
        XCTAssertEqual(named.count, 3)
        XCTAssertTrue(named.allSatisfy { $0.url.hasPrefix("https://") && $0.bytes != nil }, "\(named)")
        let there = try await store.list()
        XCTAssertEqual(there, [], "nothing was loaded")
        let nameless = await error { try await store.files(request: DownloadRequest(sources: [models.split])) }
        XCTAssertEqual(nameless?.kind, .checksumMissing)

        let brought = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        addTeardownBlock { try? FileManager.default.removeItem(at: brought) }
        try FileManager.default.copyItem(at: URL(fileURLWithPath: try ready.draft), to: brought)
        let adopt = { (sha256: String?) in
            try await store.adopt(path: brought.path, name: "mine.gguf", sha256: sha256)
        }
        let wrong = await error { try await adopt(models.splitSha256[0]) }
        XCTAssertEqual(wrong?.kind, .modelDamaged)
        XCTAssertTrue(FileManager.default.fileExists(atPath: brought.path), "it stays where it was")
        let model = try await adopt(nil)
        XCTAssertFalse(FileManager.default.fileExists(atPath: brought.path))
        _ = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: model.path))
        let isIntact = try await store.verify(name: "mine.gguf")
        XCTAssertTrue(isIntact, "its hash is known from then on")
        try Data("<html>Please log in</html>".utf8).write(to: brought)
        let page = await error { try await adopt(nil) }
        XCTAssertEqual(page?.kind, .modelDamaged)
    }

    func test_a_link_pairs_an_app_with_a_verifier() throws {
        let sha256 = String(repeating: "ab", count: 32)
        let address = "uhlm://verifier?url=https%3A%2F%2F192.0.2.5%3A8443"
        let link = try VerifierLink(text: "\(address)&sha256=\(sha256)&token=a%2Bsecret")
        XCTAssertEqual(link.endpoint(), "https://192.0.2.5:8443")
        XCTAssertEqual(link.trust(), .fingerprint(sha256: sha256))
        XCTAssertEqual(link.fingerprint(), sha256)
        XCTAssertEqual(link.token(), "a+secret")
        let open = try VerifierLink(text: "uhlm://verifier?url=https%3A%2F%2Fexample.org")
        XCTAssertEqual(open.trust(), .bundledRoots)
        XCTAssertNil(open.token())
        for wrong in ["", "https://example.org", "uhlm://verifier?url=http%3A%2F%2Fexample.org", "uhlm://verifier"] {
            XCTAssertThrowsError(try VerifierLink(text: wrong), wrong) { error in
                XCTAssertEqual((error as? UhlmError)?.kind, .invalidOptions)
            }
        }
    }
}
