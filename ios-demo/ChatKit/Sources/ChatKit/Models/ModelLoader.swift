import Foundation
import Observation
import Uhlm

/// Holds the one draft model that is loaded.
@MainActor
@Observable
public final class ModelLoader {
    /// What it holds.
    public enum State: Sendable, Equatable {
        case none
        /// The share of the file that is loaded, in [0, 1].
        case loading(Double)
        /// The model's name, as its file has it.
        case ready(String)
    }

    /// What it holds.
    public private(set) var state = State.none

    private var loaded: (path: String, load: Task<UhlmEngine, any Error>)?

    /// Holds nothing.
    public init() {}

    /// The engine of a file, loaded where it is not. The one before is let go first: a phone has no room for two.
    ///
    /// - Throws: `UhlmError`; `NotEnoughMemory` before the file is touched, where the system says what is free.
    public func engine(_ path: String) async throws -> UhlmEngine {
        if let loaded, loaded.path == path { return try await loaded.load.value }
        unload()
        state = .loading(0)
        let options = ModelOptions(path: path, fitContext: Self.context, availableMemory: SystemMemory.available())
        let load = Task {
            try await UhlmEngine.load(options) { [weak self] share in
                Task { @MainActor in self?.progress(Double(share), path) }
            }
        }
        loaded = (path, load)
        do {
            let engine = try await load.value
            if loaded?.path == path { state = .ready(engine.info().name) }
            return engine
        } catch {
            if loaded?.path == path { unload() }
            throw error
        }
    }

    /// Lets the model go; sessions that are open keep it until they end.
    public func unload() {
        loaded?.load.cancel()
        loaded = nil
        state = .none
    }

    /// Tokens that there must be room for. Less than most models were trained for, enough for a conversation on a phone.
    static let context: UInt32 = 2048

    private func progress(_ share: Double, _ path: String) {
        if loaded?.path == path, case .loading = state { state = .loading(share) }
    }
}
