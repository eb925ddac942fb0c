#if canImport(FoundationModels) && (compiler(>=6.4) || FOUNDATION_MODELS_STAND_IN)

import Foundation
import Uhlm

/// Idle sessions by their sampling. Apple's session sends the whole transcript each time, so any of ours can answer;
/// one that answered before still has most of it in its cache. Several are open only while several requests run at
/// once.
final class SessionPool: @unchecked Sendable {
    private let open: @Sendable (SamplingParams) async throws -> any UhlmSessionProtocol
    private let lock = NSLock()
    private var idle: [(sampling: SamplingParams, session: any UhlmSessionProtocol)] = []

    /// Sampling changes rarely; more idle sessions than this would only hold memory.
    private static let maxIdle = 2

    init(open: @escaping @Sendable (SamplingParams) async throws -> any UhlmSessionProtocol) {
        self.open = open
    }

    /// The session that was used last, or a new one.
    func take(_ sampling: SamplingParams) async throws -> any UhlmSessionProtocol {
        if let session = takeIdle(sampling) { return session }
        return try await open(sampling)
    }

    private func takeIdle(_ sampling: SamplingParams) -> (any UhlmSessionProtocol)? {
        lock.withLock {
            let index = idle.lastIndex { $0.sampling == sampling }
            return index.map { idle.remove(at: $0).session }
        }
    }

    /// Keeps the session for the next request; the one that was idle longest is closed where there are too many.
    func giveBack(_ session: any UhlmSessionProtocol, _ sampling: SamplingParams) {
        lock.lock()
        idle.append((sampling, session))
        let surplus = idle.count > Self.maxIdle ? idle.removeFirst().session : nil
        lock.unlock()
        surplus?.shutDown()
    }
}

#endif
