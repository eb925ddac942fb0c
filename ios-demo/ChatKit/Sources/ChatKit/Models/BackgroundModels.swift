import Foundation
import Uhlm

/// Downloads that go on when the app is not in front: the SDK's, or what a test puts in their place.
public protocol BackgroundModels: AnyObject, Sendable {
    /// The downloads now and after each change.
    var updates: AsyncStream<[BackgroundDownload]> { get }
    /// Begins a download, or goes on with one, and returns the model's name.
    func begin(_ request: DownloadRequest) async throws -> String
    /// Stops a download; what came is kept.
    func stop(_ name: String) async
    /// Forgets a download, and what came of one that has not ended.
    func forget(_ name: String) async
    /// Takes another store of the same folder.
    func use(_ store: UhlmModelStore) async
}

extension UhlmBackgroundDownloads: BackgroundModels {}

extension ModelManager.Download {
    /// A download that the system does.
    init(_ background: BackgroundDownload, on network: NetworkReading) {
        received = background.received
        total = background.total
        phase = .loading
        switch background.state {
        case .checking, .finished: phase = .checking
        case _ where !network.isThere: note = say("models.waiting.network")
        case _ where network.isMetered && !background.allowsMetered: note = say("models.waiting.unmetered")
        case .waiting: note = say("models.waiting.again")
        default: if background.received == 0 { phase = .connecting }
        }
    }
}
