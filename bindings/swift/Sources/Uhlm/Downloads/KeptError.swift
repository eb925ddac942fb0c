/// An error as the ledger keeps it: the generated types cannot be written to a file.
struct KeptError: Codable, Equatable {
    private let kind: String
    private let reason: String
    private let isRetryable: Bool
    private let recovery: String

    init(_ error: UhlmError) {
        kind = "\(error.kind)"
        reason = error.reason
        isRetryable = error.isRetryable
        recovery = "\(error.recovery)"
    }

    /// The error. One of another version's kind is one of the storage: what is there cannot be read.
    var error: UhlmError {
        .Failed(
            kind: Self.kinds.first { "\($0)" == kind } ?? .storageFailed, reason: reason, retryable: isRetryable,
            recovery: Self.recoveries.first { "\($0)" == recovery } ?? .tryAgain)
    }

    /// Those that a download can end with.
    private static let kinds: [ErrorKind] = [
        .modelNotFound, .modelDamaged, .invalidOptions, .busy, .offline, .serverBusy, .unauthorized, .untrusted,
        .refused, .metered, .checksumMissing, .storageFull, .storageFailed, .cancelled,
    ]

    private static let recoveries: [Recovery] = [
        .tryAgain, .provideModel, .downloadAgain, .chooseAnotherModel, .fixOptions, .signIn, .checkEndpoint,
        .waitForNetwork, .freeStorage, .none,
    ]
}

extension UhlmError {
    /// An error of a background download, with what the core says helps against the same error of its own downloads.
    static func download(_ kind: ErrorKind, _ reason: String) -> UhlmError {
        let recovery: Recovery =
            switch kind {
            case .modelNotFound: .chooseAnotherModel
            case .modelDamaged: .downloadAgain
            case .unauthorized: .signIn
            case .untrusted, .refused: .checkEndpoint
            case .storageFull, .storageFailed: .freeStorage
            case .invalidOptions, .checksumMissing: .fixOptions
            default: .tryAgain
            }
        return .Failed(kind: kind, reason: reason, retryable: recovery == .tryAgain, recovery: recovery)
    }
}
