import Foundation
import XCTest

@testable import Uhlm

/// What becomes of a download as the system tells of it, with a system that says what a test wants.
final class DownloadRulesTests: Suite {
    private let request = DownloadRequest(sources: ["https://example.org/any.gguf"], allowMetered: true)
    private var folder = URL(fileURLWithPath: "/")

    override func setUp() async throws {
        try await super.setUp()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        addTeardownBlock { [folder] in try? FileManager.default.removeItem(at: folder) }
    }

    private func begun(_ store: ToldStore? = nil, running: Set<FileKey> = []) throws -> (
        downloads: UhlmBackgroundDownloads, carrier: SetCarrier, store: ToldStore
    ) {
        let store = try store ?? ToldStore(folder.appendingPathComponent("models"))
        let made = Locked<SetCarrier?>(nil)
        let downloads = UhlmBackgroundDownloads(
            store: store, identifier: "mine", folder: folder.appendingPathComponent("downloads"), grace: 5
        ) { folder, tell in
            let carrier = SetCarrier(folder, running: running, tell: tell)
            made.withLock { $0 = carrier }
            return carrier
        }
        return (downloads, try XCTUnwrap(made.withLock { $0 }), store)
    }

    private func file(_ name: String = "a.gguf") throws -> (Data, RemoteFile) {
        let data = try Data(contentsOf: URL(fileURLWithPath: ready.draft))
        let remote = RemoteFile(
            name: name, source: "https://example.org/\(name)", url: "https://example.org/\(name)",
            bytes: UInt64(data.count), sha256: try ready.models.wholeSha256)
        return (data, remote)
    }

    private func orders(_ carrier: SetCarrier, _ count: Int) async throws -> [CarrierOrder] {
        try await eventually("\(count) orders") { carrier.orders.count >= count }
        XCTAssertEqual(carrier.orders.count, count)
        return carrier.orders
    }

    func test_an_attempt_goes_on_where_the_last_one_broke_off_and_waits_longer_each_time() async throws {
        let (downloads, carrier, store) = try begun()
        store.tell([try file().1])
        try await downloads.begin(request)
        let key = try await orders(carrier, 1)[0].key
        XCTAssertTrue(carrier.orders[0].allowsMetered)
        carrier.tell(.moved(key, received: 10, total: 100))
        carrier.tell(.brokeOff(key, code: .networkConnectionLost, resume: Data("here".utf8)))
        let second = try await orders(carrier, 2)[1]
        XCTAssertEqual(second.resume, Data("here".utf8))
        XCTAssertEqual(second.delay, 2)
        XCTAssertEqual(downloads.downloads.map(\.state), [.waiting])
        XCTAssertEqual(downloads.downloads.map(\.received), [10])
        // Nothing came, and what was kept led nowhere: from the beginning, at once.
        carrier.tell(.refused(key, status: 403))
        let third = try await orders(carrier, 3)[2]
        XCTAssertNil(third.resume)
        XCTAssertEqual(third.delay, 0)
        carrier.tell(.brokeOff(key, code: .timedOut, resume: nil))
        let fourth = try await orders(carrier, 4)[3]
        XCTAssertEqual(fourth.delay, 4)
        // Bytes came: the next failure is the first one again.
        carrier.tell(.moved(key, received: 20, total: 100))
        carrier.tell(.brokeOff(key, code: .timedOut, resume: nil))
        let fifth = try await orders(carrier, 5)[4]
        XCTAssertEqual(fifth.delay, 2)
    }

    func test_a_person_who_ended_the_app_did_not_end_its_downloads() async throws {
        let (downloads, carrier, store) = try begun()
        store.tell([try file().1])
        try await downloads.begin(request)
        let key = try await orders(carrier, 1)[0].key
        carrier.tell(.brokeOff(key, code: .cancelled, resume: Data([1])))
        let again = try await orders(carrier, 2)[1]
        XCTAssertEqual(again.resume, Data([1]))
    }

    func test_what_the_system_still_loads_is_not_loaded_twice() async throws {
        let (first, carrier, store) = try begun()
        store.tell([try file().1])
        try await first.begin(request)
        let key = try await orders(carrier, 1)[0].key
        let stranger = FileKey(entry: UUID(), run: 0, file: 0)
        let (second, other, _) = try begun(store, running: [key, stranger])
        try await eventually("the stranger is stopped") { other.stopped == [stranger] }
        XCTAssertEqual(other.orders.count, 0)
        try other.bring(try file().0, as: key)
        try await eventually("it is in the store") { second.downloads.first?.state == .finished }
        // One that the system does not have any more is loaded anew, when its end would have been told.
        store.tell([try file("b.gguf").1])
        try await second.begin(request)
        let (last, third, _) = try begun(store)
        let order = try await orders(third, 1)[0]
        XCTAssertEqual(order.delay, 5)
        XCTAssertEqual(last.downloads.map(\.state), [.finished, .loading])
    }

    func test_what_is_begun_while_the_object_is_made_is_loaded_once() async throws {
        for _ in 0..<20 {
            folder = folder.appendingPathComponent("again")
            let (downloads, carrier, store) = try begun()
            let (data, remote) = try file()
            store.tell([remote])
            try await downloads.begin(request)
            let key = try await orders(carrier, 1)[0].key
            // What comes twice is taken once, and leaves nothing.
            try carrier.bring(data, as: key)
            try await eventually("it is in the store") { downloads.downloads.first?.state == .finished }
            XCTAssertEqual(carrier.orders.count, 1)
            XCTAssertEqual(carrier.stopped, [key])
            try carrier.bring(data, as: key)
            try await eventually("it is removed") { !carrier.folder.has(key) }
        }
    }

    func test_a_file_that_came_before_the_app_ended_is_taken_without_the_network() async throws {
        let (first, carrier, store) = try begun()
        let (data, remote) = try file()
        store.tell([remote])
        try await first.begin(request)
        let key = try await orders(carrier, 1)[0].key
        let brought = folder.appendingPathComponent("brought")
        try data.write(to: brought)
        try carrier.folder.take(brought, as: key)
        let (second, other, _) = try begun(store)
        try await eventually("it is in the store") { second.downloads.first?.state == .finished }
        XCTAssertEqual(other.orders.count, 0)
    }

    func test_a_file_that_was_taken_just_before_the_app_ended_is_found_in_the_store() async throws {
        let (first, carrier, store) = try begun()
        let (data, remote) = try file()
        store.tell([remote])
        try await first.begin(request)
        try carrier.bring(data, as: try await orders(carrier, 1)[0].key)
        try await eventually("it is in the store") { first.downloads.first?.state == .finished }
        let ledger = carrier.folder.url.appendingPathComponent("downloads.json")
        let written = try String(contentsOf: ledger, encoding: .utf8)
        XCTAssertTrue(written.contains("\"taken\""), written)
        try Data(written.replacingOccurrences(of: "\"taken\"", with: "\"came\"").utf8).write(to: ledger)
        let (second, other, _) = try begun(store)
        XCTAssertEqual(second.downloads.first?.state, .checking)
        try await eventually("it is found") { second.downloads.first?.state == .finished }
        XCTAssertEqual(other.orders.count, 0)
    }

    func test_what_is_told_of_an_earlier_time_does_not_count_but_its_file_does() async throws {
        let (downloads, carrier, store) = try begun()
        let (data, remote) = try file()
        store.tell([remote])
        let name = try await downloads.begin(request)
        let old = try await orders(carrier, 1)[0].key
        await downloads.stop(name)
        XCTAssertEqual(carrier.stopped, [old])
        carrier.tell(.stopped(old, resume: Data("kept".utf8)))
        try await eventually("it is kept") { carrier.folder.resumes(old) }
        try await downloads.begin(request)
        let new = try await orders(carrier, 2)[1]
        XCTAssertNotEqual(new.key, old)
        XCTAssertEqual(new.resume, Data("kept".utf8))
        carrier.tell(.brokeOff(old, code: .cancelled, resume: nil))
        try carrier.bring(data, as: old)
        try await eventually("it is in the store") { downloads.downloads.first?.state == .finished }
        XCTAssertEqual(carrier.orders.count, 2)
        XCTAssertEqual(carrier.stopped, [old, new.key])
    }

    func test_the_system_hears_that_all_is_done_when_all_is_in_the_store() async throws {
        let (downloads, carrier, store) = try begun()
        let (data, remote) = try file()
        store.tell([remote])
        try await downloads.begin(request)
        let key = try await orders(carrier, 1)[0].key
        XCTAssertFalse(downloads.handleEvents(of: "another") { XCTFail("it is another's") })
        let done = Handover<[BackgroundDownload.State]>()
        XCTAssertTrue(downloads.handleEvents(of: "mine") { done.give(downloads.downloads.map(\.state)) })
        try carrier.bring(data, as: key)
        carrier.tell(.delivered)
        let states = try await value(of: Task<[BackgroundDownload.State], any Error> { await done.take() })
        XCTAssertEqual(states, [.finished])
    }

    func test_a_model_that_fails_in_one_part_is_loaded_no_further() async throws {
        let (downloads, carrier, store) = try begun()
        store.tell([try file("a-00001-of-00002.gguf").1, try file("a-00002-of-00002.gguf").1])
        try await downloads.begin(request)
        let keys = try await orders(carrier, 2).map(\.key)
        carrier.tell(.refused(keys[1], status: 404))
        try await eventually("it failed") { if case .failed = downloads.downloads[0].state { true } else { false } }
        XCTAssertEqual(Set(carrier.stopped), Set(keys))
    }

    func test_a_real_server_says_what_there_is_to_load() async throws {
        let models = try ready.models
        let options = StoreOptions(
            folder: folder.appendingPathComponent("models").path, trust: .pem(roots: models.roots))
        let store = try UhlmModelStore(options: options)
        let made = Locked<SetCarrier?>(nil)
        let downloads = UhlmBackgroundDownloads(
            store: store, identifier: "mine", folder: folder.appendingPathComponent("downloads")
        ) { folder, tell in
            let carrier = SetCarrier(folder, tell: tell)
            made.withLock { $0 = carrier }
            return carrier
        }
        let carrier = try XCTUnwrap(made.withLock { $0 })
        let lacking = DownloadRequest(sources: [models.whole])
        let missing = await error { try await downloads.begin(lacking) }
        XCTAssertEqual(missing?.kind, .checksumMissing)
        XCTAssertEqual(downloads.downloads, [])
        var whole = lacking
        whole.sha256 = models.wholeSha256
        let name = try await downloads.begin(whole)
        let order = try await orders(carrier, 1)[0]
        XCTAssertEqual(order.url.absoluteString, models.whole)
        XCTAssertFalse(order.allowsMetered)
        try carrier.bring(try file().0, as: order.key)
        try await eventually("it is in the store") { downloads.downloads.first?.state == .finished }
        let model = try await store.list().first
        XCTAssertEqual(model?.name, name)
        XCTAssertEqual(model?.source, models.whole)
        let split = DownloadRequest(
            sources: [models.split], sha256: models.splitSha256[0], furtherSha256: Array(models.splitSha256[1...]))
        try await downloads.begin(split)
        _ = try await orders(carrier, 4)
    }

    func test_waiting_has_an_end_and_errors_are_told_apart() throws {
        var ledger = DownloadLedger()
        let url = try XCTUnwrap(URL(string: "https://example.org/a.gguf"))
        let entry = ledger.begin(
            [.init(url: url, name: "a.gguf", source: url.absoluteString, bytes: nil, sha256: nil)], allowsMetered: false
        )
        let key = entry.keys(at: .loading)[0]
        let waits = (0..<12).map { _ in ledger.brokeOff(key) }
        XCTAssertEqual(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600])
        XCTAssertEqual(FileKey(key.text), key)
        XCTAssertNil(FileKey("what another task is called"))
        XCTAssertNil(FileKey(nil))
        let passing = [URLError.Code.notConnectedToInternet, .timedOut, .networkConnectionLost, .cancelled, .unknown]
        XCTAssertTrue(passing.allSatisfy { Setback(code: $0) == .passing })
        XCTAssertTrue([408, 429, 500, 503].allSatisfy { Setback(status: $0) == .passing })
        guard case .final(let untrusted) = Setback(code: .serverCertificateUntrusted) else { return XCTFail("passing") }
        XCTAssertEqual(untrusted.kind, .untrusted)
        for error in [untrusted, UhlmError.download(.storageFull, "full"), .download(.modelDamaged, "another file")] {
            let kept = try JSONDecoder().decode(KeptError.self, from: JSONEncoder().encode(KeptError(error)))
            XCTAssertEqual(kept.error, error)
        }
    }
}

extension DownloadFolder {
    fileprivate func resumes(_ key: FileKey) -> Bool {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        return files.contains("\(key.entry.uuidString)-\(key.file).resume")
    }
}
