import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class ModelTests: XCTestCase, @unchecked Sendable {
    @MainActor
    private func manager(_ folder: Folder, trust: TrustPolicy? = nil) -> ModelManager {
        ModelManager { try UhlmModelStore(options: StoreOptions(folder: folder.url.path, trust: trust)) }
    }

    @MainActor
    func test_models_that_are_there_are_listed_checked_and_removed() async throws {
        let folder = try Folder()
        let draft = try Fixture.shared.ready.draft
        try FileManager.default.copyItem(atPath: draft, toPath: folder.url.appendingPathComponent("a.gguf").path)
        let models = manager(folder)
        await models.refresh()
        XCTAssertEqual(models.installed.map(\.name), ["a.gguf"])
        XCTAssertNotNil(models.file(of: "a.gguf"))
        await models.verify("a.gguf")
        XCTAssertEqual(models.checks["a.gguf"], .nothingToCompare)
        await models.delete("a.gguf")
        XCTAssertEqual(models.installed, [])
        await models.delete("a.gguf")
        XCTAssertEqual(models.problems["a.gguf"]?.title, "The model is not there.")
    }

    @MainActor
    func test_the_catalogue_offers_what_can_be_downloaded() async throws {
        let models = manager(try Folder())
        XCTAssertTrue(models.catalogue.contains { $0.id == "demo" && $0.measured })
        XCTAssertFalse(models.available.isEmpty)
        XCTAssertTrue(models.available.allSatisfy { $0.request != nil })
        XCTAssertEqual(Set(models.available.map(\.file)).count, models.available.count)
    }

    @MainActor
    func test_a_model_comes_over_https_and_its_damage_is_found() async throws {
        let folder = try Folder()
        let draft = try Data(contentsOf: URL(fileURLWithPath: Fixture.shared.ready.draft))
        let server = try FileServer(draft, as: "small.gguf")
        let models = manager(folder, trust: .fingerprint(sha256: server.fingerprint))
        models.download(from: server.url + "/small.gguf", allowMetered: false)
        XCTAssertNotNil(models.downloads["small.gguf"])
        await models.settled("small.gguf")
        // Nobody says what it must hash to: the person is asked.
        XCTAssertEqual(models.unchecked?.name, "small.gguf")
        XCTAssertEqual(models.installed, [])
        models.answer(downloadsAnyway: false)
        XCTAssertEqual(models.downloads, [:])
        models.download(from: server.url + "/small.gguf", allowMetered: false)
        await models.settled("small.gguf")
        models.answer(downloadsAnyway: true)
        await models.settled("small.gguf")
        XCTAssertNil(models.unchecked)
        XCTAssertNil(models.problems["small.gguf"])
        XCTAssertEqual(models.downloads, [:])
        let path = try XCTUnwrap(models.file(of: "small.gguf"))
        XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path)), draft)
        await models.verify("small.gguf")
        XCTAssertEqual(models.checks["small.gguf"], .intact)

        let loader = ModelLoader()
        _ = try await loader.model(path)
        guard case .ready = loader.state else { return XCTFail("\(loader.state)") }
        loader.unload()
        XCTAssertEqual(loader.state, .none)

        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try handle.seek(toOffset: UInt64(draft.count / 2))
        try handle.write(contentsOf: Data([draft[draft.count / 2] ^ 1]))
        try handle.close()
        await models.verify("small.gguf")
        XCTAssertEqual(models.checks["small.gguf"], .damaged)
    }

    @MainActor
    func test_a_download_that_fails_says_why_and_leaves_nothing_that_could_be_loaded() async throws {
        let folder = try Folder()
        let server = try FileServer(Data("<html>sign in</html>".utf8), as: "page.gguf")
        let trusting = manager(folder, trust: .fingerprint(sha256: server.fingerprint))
        trusting.download(from: server.url + "/page.gguf", allowMetered: false)
        await trusting.settled("page.gguf")
        trusting.answer(downloadsAnyway: true)
        await trusting.settled("page.gguf")
        XCTAssertEqual(trusting.problems["page.gguf"]?.recovery, .downloadAgain)

        let careful = manager(folder)
        careful.download(from: server.url + "/page.gguf", allowMetered: false)
        await careful.settled("page.gguf")
        XCTAssertEqual(careful.problems["page.gguf"]?.recovery, .checkEndpoint)

        careful.setMetered(true)
        careful.download(from: server.url + "/page.gguf", allowMetered: false)
        await careful.settled("page.gguf")
        XCTAssertEqual(careful.problems["page.gguf"]?.recovery, .waitForNetwork)

        careful.download(from: "ftp://host/file.gguf", allowMetered: false)
        XCTAssertEqual(careful.problems["file.gguf"]?.recovery, .fixOptions)
        XCTAssertEqual(careful.installed, [])
    }

    @MainActor
    func test_progress_is_shown_and_a_stopped_download_is_no_problem() async throws {
        let store = FakeStore()
        let models = ModelManager(catalogue: []) { store }
        models.download(from: "https://host/big.gguf", allowMetered: true)
        XCTAssertEqual(models.downloads["big.gguf"]?.text, "Connecting…")
        store.running.give(
            .progress(phase: .loading, received: 16_000_000, total: 64_000_000, part: 0, parts: 0))
        try await eventually("progress") { models.downloads["big.gguf"]?.share == 0.25 }
        XCTAssertEqual(models.downloads["big.gguf"]?.text, "16 MB of 64 MB")
        store.running.give(
            .progress(phase: .checking, received: 64_000_000, total: 64_000_000, part: 2, parts: 3))
        try await eventually("checking") { models.downloads["big.gguf"]?.text == "Checking…, part 2 of 3" }
        models.download(from: "https://host/big.gguf", allowMetered: true)
        XCTAssertEqual(store.requests.count, 1)
        models.cancel("big.gguf")
        await models.settled("big.gguf")
        XCTAssertNil(models.problems["big.gguf"])
        XCTAssertEqual(models.unfinished.map(\.name), ["big.gguf"])
        XCTAssertEqual(store.requests.map(\.allowMetered), [true])
    }

    @MainActor
    func test_a_model_gets_the_context_that_fits_and_none_that_does_not() async throws {
        let ready = try Fixture.shared.ready
        let long = try await checkMemory(path: ready.heavy, context: 4096).total
        let short = try await checkMemory(path: ready.heavy, context: ModelLoader.shortestContext).total
        XCTAssertLessThan(short, long)
        let free = (short + long) / 2
        let fits = try await ModelLoader { free }.model(ready.heavy).info().fittedContext
        let app = try await App(ready.heavy, loader: ModelLoader { free })
        app.model.preferences.settings.maxTokens = 32
        try await app.say("Hello")
        let chat = try app.chat
        XCTAssertNil(chat.problem)
        let context = try XCTUnwrap(chat.use?.context)
        XCTAssertEqual(context, fits)
        XCTAssertLessThan(context, 4096)
        XCTAssertGreaterThanOrEqual(context, ModelLoader.shortestContext)

        for (available, path, recovery) in [
            (short / 2, ready.heavy, Recovery.freeMemory), (long, "/no/such/model.gguf", .provideModel),
        ] {
            let loader = ModelLoader { available }
            do {
                _ = try await loader.model(path)
                XCTFail("it was loaded")
            } catch {
                XCTAssertEqual(Problem(error).recovery, recovery)
                XCTAssertEqual(loader.state, .none)
            }
        }
    }

    /// iOS lets nobody use a GPU who is not in front, and a reply is to go on there.
    @MainActor
    func test_the_model_is_on_the_cpu_unless_the_person_wants_otherwise() async throws {
        let app = try await App()
        XCTAssertFalse(app.model.settings.usesGpu)
        let quiet = try await app.model.engine(app.model.settings)
        XCTAssertEqual(quiet.info().reasonNoGpu, .asked)
        app.model.preferences.settings.usesGpu = true
        let fast = try await app.model.engine(app.model.settings)
        XCTAssertNotEqual(fast.info().reasonNoGpu, .asked)
        XCTAssertFalse(fast === quiet)
        let again = try await app.model.engine(app.model.settings)
        XCTAssertTrue(again === fast)
    }
}
