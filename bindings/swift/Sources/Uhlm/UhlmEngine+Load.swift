import Foundation

extension UhlmEngine {
    /// Loads a GGUF file, on a thread of the library's own.
    ///
    /// - Parameters:
    ///   - file: The model's file.
    ///   - onProgress: Takes the share of the file that is loaded, in [0, 1], on the loading thread.
    /// - Returns: The loaded model.
    /// - Throws: ``UhlmError``, or `CancellationError` if the task was cancelled, which ends the load.
    public static func load(
        contentsOf file: URL, onProgress: (@Sendable (Float) -> Void)? = nil
    ) async throws -> UhlmEngine {
        try await load(ModelOptions(path: file.path), onProgress: onProgress)
    }

    /// Loads a GGUF file, on a thread of the library's own.
    ///
    /// Unlike `load(options:progress:)`, it ends when its task is cancelled.
    ///
    /// - Parameters:
    ///   - model: The file, and the way in which it is loaded.
    ///   - onProgress: Takes the share of the file that is loaded, in [0, 1], on the loading thread.
    /// - Returns: The loaded model.
    /// - Throws: ``UhlmError``, or `CancellationError` if the task was cancelled, which ends the load.
    public static func load(
        _ model: ModelOptions, onProgress: (@Sendable (Float) -> Void)? = nil
    ) async throws -> UhlmEngine {
        try Task.checkCancellation()
        let progress = CancellableProgress(report: onProgress)
        do {
            return try await withTaskCancellationHandler {
                try await load(options: model, progress: progress)
            } onCancel: {
                progress.cancel()
            }
        } catch let error as UhlmError where error.kind == .cancelled && Task.isCancelled {
            throw CancellationError()
        }
    }
}

/// Reports to a closure, and ends the load once it was cancelled.
final class CancellableProgress: LoadProgress {
    private let report: (@Sendable (Float) -> Void)?
    private let cancelled = Locked(false)

    init(report: (@Sendable (Float) -> Void)?) {
        self.report = report
    }

    func cancel() {
        cancelled.withLock { $0 = true }
    }

    func loaded(share: Float) -> Bool {
        if cancelled.withLock({ $0 }) { return false }
        report?(share)
        return true
    }
}
