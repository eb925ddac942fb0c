import Foundation
import XCTest

@testable import Uhlm

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Downloads by an ordinary `URLSession` from a real server into a real store: all but the configuration is what a
/// background session of Apple's systems runs.
final class BackgroundDownloadTests: Suite {
    private struct Place {
        let server: LoopbackServer
        let store: ToldStore
        let folder: URL
        let models: URL
    }

    private func place() throws -> Place {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
        let models = folder.appendingPathComponent("models")
        return Place(
            server: try LoopbackServer(), store: try ToldStore(models),
            folder: folder.appendingPathComponent("downloads"), models: models)
    }

    private func downloads(_ place: Place) -> (UhlmBackgroundDownloads, SessionCarrier) {
        let made = Locked<SessionCarrier?>(nil)
        let downloads = UhlmBackgroundDownloads(
            store: place.store, identifier: "test", folder: place.folder, grace: 0.1
        ) { folder, tell in
            let carrier = SessionCarrier(.models("test"), folder: folder, tell: tell)
            made.withLock { $0 = carrier }
            return carrier
        }
        return (downloads, made.withLock { $0! })
    }

    private func remote(_ place: Place, _ name: String, _ data: Data, sha256: String?) -> RemoteFile {
        RemoteFile(
            name: name, source: "https://example.org/\(name)", url: "\(place.server.url)/\(name)",
            bytes: UInt64(data.count), sha256: sha256)
    }

    private let request = DownloadRequest(sources: ["https://example.org/any.gguf"])

    /// Follows a download until it is in a state, and returns the states on the way.
    private func states(
        of name: String, in downloads: UhlmBackgroundDownloads,
        until end: @escaping @Sendable (BackgroundDownload.State) -> Bool
    ) async throws -> [BackgroundDownload.State] {
        let updates = downloads.updates
        let task = Task<[BackgroundDownload.State], any Error> {
            var states: [BackgroundDownload.State] = []
            for await list in updates {
                guard let state = list.first(where: { $0.name == name })?.state else { continue }
                if states.last != state { states.append(state) }
                if end(state) { break }
            }
            return states
        }
        return try await value(of: task)
    }

    private func kind(_ state: BackgroundDownload.State?) -> ErrorKind? {
        if case .failed(let error) = state { error.kind } else { nil }
    }

    func test_a_file_that_came_is_checked_and_taken_into_the_store() async throws {
        let (place, ready) = (try place(), try ready)
        let data = try Data(contentsOf: URL(fileURLWithPath: ready.draft))
        place.server.serve("/a.gguf", .file(data))
        place.store.tell([remote(place, "a.gguf", data, sha256: ready.models.wholeSha256)])
        let (downloads, _) = downloads(place)
        XCTAssertEqual(downloads.downloads, [])
        let name = try await downloads.begin(request)
        XCTAssertEqual(name, "a.gguf")
        let states = try await states(of: name, in: downloads) { $0 == .finished }
        XCTAssertTrue(states.allSatisfy { [.loading, .checking, .finished].contains($0) }, "\(states)")
        let whole = UInt64(data.count)
        XCTAssertEqual(downloads.downloads.map(\.received), [whole])
        XCTAssertEqual(downloads.downloads.map(\.total), [whole])
        let model = try await place.store.list().first
        XCTAssertEqual(model?.sha256, ready.models.wholeSha256)
        let file = try Data(contentsOf: place.models.appendingPathComponent("a.gguf"))
        XCTAssertEqual(file, data)
        // What is there is not loaded again, and what is forgotten is gone from the list alone.
        await downloads.forget(name)
        XCTAssertEqual(downloads.downloads, [])
        try await downloads.begin(request)
        XCTAssertEqual(downloads.downloads.map(\.state), [.finished])
        XCTAssertEqual(place.server.asked("/a.gguf"), 1)
        let left = try FileManager.default.contentsOfDirectory(atPath: place.folder.path)
        XCTAssertEqual(left, ["downloads.json"])
    }

    func test_the_parts_of_a_split_model_come_as_one() async throws {
        let (place, models) = (try place(), try ready.models)
        let folder = place.folder.deletingLastPathComponent().appendingPathComponent("served")
        let options = StoreOptions(folder: folder.path, trust: .pem(roots: models.roots))
        let pull = try UhlmModelStore(options: options).download(
            request: DownloadRequest(
                sources: [models.split], sha256: models.splitSha256[0],
                furtherSha256: Array(models.splitSha256[1...])))
        var served: StoredModel?
        while let event = try await pull.next() { if case .finished(let model) = event { served = model } }
        let first = try XCTUnwrap(served)
        let paths = [first.path] + first.furtherParts.map(\.path)
        let parts = try paths.enumerated().map { index, path in
            let (file, data) = (URL(fileURLWithPath: path), try Data(contentsOf: URL(fileURLWithPath: path)))
            place.server.serve("/\(file.lastPathComponent)", .file(data))
            return remote(place, file.lastPathComponent, data, sha256: models.splitSha256[index])
        }
        place.store.tell(parts)
        let (downloads, _) = downloads(place)
        let name = try await downloads.begin(request)
        _ = try await states(of: name, in: downloads) { $0 == .finished }
        XCTAssertEqual(downloads.downloads.map(\.total), [first.bytes])
        let listed = try await place.store.list()
        let model = try XCTUnwrap(listed.first)
        XCTAssertEqual(model.name, first.name)
        XCTAssertEqual(model.furtherParts.count, 2)
        _ = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: model.path))
    }

    func test_another_file_than_the_hash_says_ends_the_download_and_is_not_loaded_again() async throws {
        let place = try place()
        let data = try Data(contentsOf: URL(fileURLWithPath: ready.draft))
        place.server.serve("/a.gguf", .file(data))
        place.store.tell([remote(place, "a.gguf", data, sha256: String(repeating: "ab", count: 32))])
        let (downloads, _) = downloads(place)
        let name = try await downloads.begin(request)
        let states = try await states(of: name, in: downloads) { if case .failed = $0 { true } else { false } }
        XCTAssertEqual(kind(states.last), .modelDamaged)
        try await Task.sleep(nanoseconds: 300_000_000)
        XCTAssertEqual(place.server.asked("/a.gguf"), 1)
        let there = try await place.store.list()
        XCTAssertEqual(there, [])
        // It is said once more after the next start, and goes away when it is begun again.
        let (again, _) = self.downloads(place)
        XCTAssertEqual(kind(again.downloads.first?.state), .modelDamaged)
        place.store.tell([remote(place, "a.gguf", data, sha256: try ready.models.wholeSha256)])
        try await again.begin(request)
        _ = try await self.states(of: name, in: again) { $0 == .finished }
        XCTAssertEqual(place.server.asked("/a.gguf"), 2)
    }

    func test_a_connection_that_breaks_and_a_busy_server_are_tried_again_by_themselves() async throws {
        let place = try place()
        let data = try Data(contentsOf: URL(fileURLWithPath: ready.draft))
        place.server.serve("/a.gguf", .half(data), .status(503), .file(data))
        place.store.tell([remote(place, "a.gguf", data, sha256: try ready.models.wholeSha256)])
        let (downloads, _) = downloads(place)
        let name = try await downloads.begin(request)
        let states = try await states(of: name, in: downloads) { $0 == .finished }
        XCTAssertTrue(states.contains(.waiting), "\(states)")
        XCTAssertEqual(place.server.asked("/a.gguf"), 3)
    }

    func test_what_a_server_refuses_is_an_error_of_its_own_kind() async throws {
        for (status, kind) in [(404, ErrorKind.modelNotFound), (403, .unauthorized), (400, .refused)] {
            let place = try place()
            place.server.serve("/a.gguf", .status(status))
            place.store.tell([remote(place, "a.gguf", Data(), sha256: nil)])
            let (downloads, _) = downloads(place)
            let name = try await downloads.begin(request)
            let states = try await states(of: name, in: downloads) { if case .failed = $0 { true } else { false } }
            XCTAssertEqual(self.kind(states.last), kind)
            XCTAssertEqual(place.server.asked("/a.gguf"), 1)
        }
    }

    func test_what_was_under_way_when_the_process_ended_is_there_at_once_and_goes_on() async throws {
        let place = try place()
        let data = try Data(contentsOf: URL(fileURLWithPath: ready.draft))
        place.server.serve("/a.gguf", .silence, .file(data))
        place.store.tell([remote(place, "a.gguf", data, sha256: try ready.models.wholeSha256)])
        var first: (UhlmBackgroundDownloads, SessionCarrier)? = downloads(place)
        let name = try await first?.0.begin(request)
        try await eventually("it is asked for") { place.server.asked("/a.gguf") == 1 }
        // What the end of the process leaves: no session, and the folder.
        let kept = try Data(contentsOf: place.folder.appendingPathComponent("downloads.json"))
        first?.1.end(stopping: true)
        first = nil
        try kept.write(to: place.folder.appendingPathComponent("downloads.json"))
        let (second, _) = downloads(place)
        XCTAssertEqual(second.downloads.map(\.name), [name])
        XCTAssertEqual(second.downloads.map(\.state), [.loading])
        _ = try await states(of: "a.gguf", in: second) { $0 == .finished }
        XCTAssertEqual(place.server.asked("/a.gguf"), 2)
    }

    func test_one_that_is_stopped_stays_and_one_that_is_forgotten_leaves_nothing() async throws {
        let place = try place()
        let data = try Data(contentsOf: URL(fileURLWithPath: ready.draft))
        place.server.serve("/a.gguf", .silence, .file(data))
        place.store.tell([remote(place, "a.gguf", data, sha256: try ready.models.wholeSha256)])
        let (downloads, _) = downloads(place)
        let name = try await downloads.begin(request)
        try await eventually("it is asked for") { place.server.asked("/a.gguf") == 1 }
        await downloads.stop(name)
        XCTAssertEqual(downloads.downloads.map(\.state), [.stopped])
        try await downloads.begin(request)
        _ = try await states(of: name, in: downloads) { $0 == .finished }
        await downloads.forget(name)
        XCTAssertEqual(downloads.downloads, [])
        let model = try await place.store.list().first
        XCTAssertEqual(model?.name, name)
    }
}
