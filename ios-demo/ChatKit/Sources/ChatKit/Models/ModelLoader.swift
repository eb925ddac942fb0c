import Foundation
import Observation
import Uhlm

/// A model in memory, and the context that there is room for.
public struct LoadedModel: Sendable {
    /// The model.
    public let engine: UhlmEngine
    /// Tokens that a session on it may hold.
    public let context: UInt32
}

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

    /// The longest context that is asked for: a long conversation, and with most models some hundreds of megabytes.
    public nonisolated static let longestContext: UInt32 = 4096
    /// With less than this no conversation is worth beginning.
    public nonisolated static let shortestContext: UInt32 = 512

    private let available: @Sendable () -> UInt64?
    private var loaded: (path: String, load: Task<LoadedModel, any Error>)?

    /// Holds nothing. `available` says how many bytes are free; nil where the library asks the system itself.
    public init(available: @escaping @Sendable () -> UInt64? = { SystemMemory.available() }) {
        self.available = available
    }

    /// The model of a file, loaded where it is not, with the longest context that fits. The one before is let go first:
    /// a phone has no room for two.
    ///
    /// - Throws: `UhlmError`; its kind is `notEnoughMemory` before the file is touched, where the system says what is
    ///   free.
    public func model(_ path: String) async throws -> LoadedModel {
        if let loaded, loaded.path == path { return try await loaded.load.value }
        unload()
        state = .loading(0)
        let load = Task { [available] in
            do {
                return try await Self.load(path, Self.longestContext, available(), report)
            } catch let error as UhlmError {
                guard case .notEnoughMemory(_, let fits?) = error.kind, fits >= Self.shortestContext else {
                    throw error
                }
                return try await Self.load(path, fits, available(), report)
            }
        }
        loaded = (path, load)
        do {
            let model = try await load.value
            if loaded?.path == path { state = .ready(model.engine.info().name) }
            return model
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

    private nonisolated static func load(
        _ path: String, _ context: UInt32, _ available: UInt64?, _ report: @escaping @Sendable (Float) -> Void
    ) async throws -> LoadedModel {
        let options = ModelOptions(path: path, fitContext: context, availableMemory: available)
        let engine = try await UhlmEngine.load(options, onProgress: report)
        return LoadedModel(engine: engine, context: min(context, engine.info().trainedContext))
    }

    private var report: @Sendable (Float) -> Void {
        { [weak self] share in
            Task { @MainActor in
                guard let self, case .loading = self.state else { return }
                self.state = .loading(Double(share))
            }
        }
    }
}
