import Foundation

@testable import Uhlm

/// A real store that is told what a server has: a real one is asked over HTTPS, and `URLSession` trusts no server of a
/// test.
final class ToldStore: UhlmModelStoreProtocol, @unchecked Sendable {
    let store: UhlmModelStore
    private let told = Locked<[RemoteFile]>([])

    init(_ folder: URL) throws {
        store = try UhlmModelStore(options: StoreOptions(folder: folder.path))
    }

    func tell(_ files: [RemoteFile]) { told.withLock { $0 = files } }

    func files(request: DownloadRequest) async throws -> [RemoteFile] { told.withLock { $0 } }
    func adopt(path: String, name: String, sha256: String?, source: String?) async throws -> StoredModel {
        try await store.adopt(path: path, name: name, sha256: sha256, source: source)
    }
    func list() async throws -> [StoredModel] { try await store.list() }
    func unfinished() async throws -> [UnfinishedModel] { try await store.unfinished() }
    func download(request: DownloadRequest) throws -> UhlmDownload { try store.download(request: request) }
    func setMetered(metered: Bool) { store.setMetered(metered: metered) }
    func verify(name: String) async throws -> Bool { try await store.verify(name: name) }
    func delete(name: String) async throws -> UInt64 { try await store.delete(name: name) }
}

/// A system that loads nothing, and says what a test wants.
final class SetCarrier: DownloadCarrier, @unchecked Sendable {
    let folder: DownloadFolder
    let tell: @Sendable (CarrierEvent) -> Void
    private let state = Locked((orders: [CarrierOrder](), stopped: [FileKey](), running: Set<FileKey>()))

    init(_ folder: DownloadFolder, running: Set<FileKey> = [], tell: @escaping @Sendable (CarrierEvent) -> Void) {
        self.folder = folder
        self.tell = tell
        state.withLock { $0.running = running }
    }

    var orders: [CarrierOrder] { state.withLock { $0.orders } }
    var stopped: [FileKey] { state.withLock { $0.stopped } }

    func keys() async -> Set<FileKey> { state.withLock { $0.running } }
    func load(_ order: CarrierOrder) { state.withLock { $0.orders.append(order) } }
    func stop(_ key: FileKey) { state.withLock { $0.stopped.append(key) } }
    func end(stopping: Bool) {}

    /// Brings a file, as the system does.
    func bring(_ data: Data, as key: FileKey) throws {
        let file = folder.url.appendingPathComponent("brought")
        try data.write(to: file)
        try folder.take(file, as: key)
        tell(.came(key))
    }
}
