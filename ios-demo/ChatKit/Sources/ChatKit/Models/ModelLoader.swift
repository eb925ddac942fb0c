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

    /// With less than this no conversation is worth beginning.
    public nonisolated static let shortestContext: UInt32 = 512

    private let available: @Sendable () -> UInt64?
    private var loaded: (path: String, usesGpu: Bool, load: Task<UhlmEngine, any Error>)?

    /// Holds nothing. `available` says how many bytes are free; nil where the library asks the system itself.
    public init(available: @escaping @Sendable () -> UInt64? = { SystemMemory.available() }) {
        self.available = available
    }

    /// The model of a file, loaded where it is not. The one before is let go first: a phone has no room for two. Its
    /// sessions get the longest context that fits, which the library finds when the first reply needs it.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - usesGpu: Whether it may be on a GPU, where the library and the system have one.
    /// - Throws: `UhlmError`; its kind is `notEnoughMemory` before the file is touched, where the system says what is
    ///   free.
    public func model(_ path: String, usesGpu: Bool = false) async throws -> UhlmEngine {
        if let loaded, loaded.path == path, loaded.usesGpu == usesGpu { return try await loaded.load.value }
        unload()
        state = .loading(0)
        let options = ModelOptions(
            path: path, accelerator: usesGpu ? .auto : .cpu, fitContext: Self.shortestContext,
            availableMemory: available())
        let load = Task { [report] in try await UhlmEngine.load(options, onProgress: report) }
        loaded = (path, usesGpu, load)
        let isCurrent = { [self] in loaded?.load == load }
        do {
            let engine = try await load.value
            if isCurrent() { state = .ready(engine.info().name) }
            return engine
        } catch {
            if isCurrent() { unload() }
            throw error
        }
    }

    /// Lets the model go; sessions that are open keep it until they end.
    public func unload() {
        loaded?.load.cancel()
        loaded = nil
        state = .none
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
