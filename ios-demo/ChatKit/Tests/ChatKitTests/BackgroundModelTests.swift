import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class BackgroundModelTests: XCTestCase, @unchecked Sendable {
    @MainActor
    private func manager(_ folder: Folder, _ downloads: SetDownloads) -> ModelManager {
        let models = ModelManager { try UhlmModelStore(options: StoreOptions(folder: folder.url.path)) }
        models.follow(downloads) { true }
        return models
    }

    private func download(
        _ state: BackgroundDownload.State, _ received: UInt64 = 0, allowsMetered: Bool = false
    ) -> BackgroundDownload {
        BackgroundDownload(
            name: "named.gguf", state: state, received: received, total: 64_000_000, allowsMetered: allowsMetered)
    }

    @MainActor
    func test_what_the_system_downloads_is_shown_with_what_it_waits_for() async throws {
        let (folder, downloads) = (try Folder(), SetDownloads())
        let models = manager(folder, downloads)
        XCTAssertTrue(models.goesOnInBackground)
        models.download(from: "https://host/any.gguf", allowMetered: false)
        XCTAssertEqual(models.downloads["any.gguf"]?.text, "Connecting…")
        await models.settled("any.gguf")
        downloads.show(download(.loading, 16_000_000))
        try await eventually("progress") { models.downloads["named.gguf"]?.share == 0.25 }
        // It has the name that the store gives it.
        XCTAssertEqual(models.downloads.keys.sorted(), ["named.gguf"])
        XCTAssertEqual(models.downloads["named.gguf"]?.text, "16 MB of 64 MB")
        models.setNetwork(NetworkReading(isThere: false))
        XCTAssertEqual(models.downloads["named.gguf"]?.text, say("models.waiting.network"))
        models.setNetwork(NetworkReading(isMetered: true))
        XCTAssertEqual(models.downloads["named.gguf"]?.text, say("models.waiting.unmetered"))
        downloads.show(download(.loading, 32_000_000, allowsMetered: true))
        try await eventually("it is allowed") { models.downloads["named.gguf"]?.text == "32 MB of 64 MB" }
        downloads.show(download(.waiting, 32_000_000, allowsMetered: true))
        try await eventually("it waits") { models.downloads["named.gguf"]?.text == say("models.waiting.again") }
        downloads.show(download(.checking, 64_000_000))
        try await eventually("checking") { models.downloads["named.gguf"]?.text == "Checking…" }
        try FileManager.default.copyItem(
            atPath: Fixture.shared.ready.draft, toPath: folder.url.appendingPathComponent("named.gguf").path)
        downloads.show(download(.finished, 64_000_000))
        try await eventually("it is there") { models.installed.map(\.name) == ["named.gguf"] }
        XCTAssertEqual(models.downloads, [:])
        XCTAssertEqual(downloads.calls, ["begin true", "forget named.gguf"])
    }

    @MainActor
    func test_one_that_was_stopped_stands_with_the_unfinished_and_one_that_failed_says_why() async throws {
        let (folder, downloads) = (try Folder(), SetDownloads())
        let models = manager(folder, downloads)
        downloads.show(download(.loading, 10))
        try await eventually("it is shown") { models.downloads["named.gguf"] != nil }
        models.cancel("named.gguf")
        try await eventually("it is stopped") { downloads.calls == ["stop named.gguf"] }
        downloads.show(download(.stopped, 10))
        let unfinished = UnfinishedModel(name: "named.gguf", bytes: 10)
        try await eventually("it is unfinished") { models.unfinished == [unfinished] }
        XCTAssertEqual(models.downloads, [:])
        await models.delete("named.gguf")
        XCTAssertEqual(models.unfinished, [])
        XCTAssertEqual(downloads.calls.last, "forget named.gguf")
        downloads.show(download(.failed(failed(.modelDamaged)), 10))
        try await eventually("it failed") { models.problems["named.gguf"] != nil }
        models.dismissProblem("named.gguf")
        try await eventually("it is forgotten") { downloads.calls.filter { $0 == "forget named.gguf" }.count == 2 }
        XCTAssertNil(models.problems["named.gguf"])
    }

    @MainActor
    func test_a_file_without_a_checksum_is_asked_about_before_the_system_loads_it() async throws {
        let (folder, downloads) = (try Folder(), SetDownloads())
        downloads.failure = failed(.checksumMissing)
        let models = manager(folder, downloads)
        models.download(from: "https://host/any.gguf", allowMetered: false)
        await models.settled("any.gguf")
        XCTAssertEqual(models.unchecked?.name, "any.gguf")
        XCTAssertEqual(models.downloads, [:])
        models.answer(downloadsAnyway: true)
        await models.settled("any.gguf")
        XCTAssertEqual(downloads.calls, ["begin true", "begin false"])
        downloads.failure = failed(.offline)
        models.download(from: "https://host/other.gguf", allowMetered: false)
        await models.settled("other.gguf")
        XCTAssertNotNil(models.problems["other.gguf"])
    }

    @MainActor
    func test_a_model_that_asks_for_a_token_is_loaded_by_the_app() async throws {
        let app = try await App()
        app.model.downloadInBackground(SetDownloads())
        XCTAssertTrue(app.model.models.goesOnInBackground)
        app.model.preferences.setSecret(.hubToken, to: "hf_token")
        XCTAssertFalse(app.model.models.goesOnInBackground)
        let place = try app.model.backgroundPlace()
        XCTAssertEqual(place.folder.lastPathComponent, "downloads")
    }
}
