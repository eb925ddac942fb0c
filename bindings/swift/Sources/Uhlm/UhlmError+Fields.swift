import Foundation

/// What an error says of itself. UniFFI knows errors as enumerations; this one has a single case, `Failed`, and these
/// are its fields.
extension UhlmError {
    /// What failed, with what an app may need for its answer.
    public var kind: ErrorKind {
        switch self {
        case .Failed(let kind, _, _, _): kind
        }
    }

    /// What happened, in English and without any text of the person, for developers and logs.
    public var reason: String {
        switch self {
        case .Failed(_, let reason, _, _): reason
        }
    }

    /// Whether the same call may succeed later without the app changing anything.
    public var isRetryable: Bool {
        switch self {
        case .Failed(_, _, let retryable, _): retryable
        }
    }

    /// What the app can do about it.
    public var recovery: Recovery {
        switch self {
        case .Failed(_, _, _, let recovery): recovery
        }
    }
}

/// What an alert shows, in English. Apps that speak other languages switch on ``UhlmError/kind`` and on
/// ``UhlmError/recovery``.
extension UhlmError: LocalizedError {
    /// What failed, in one sentence for a person.
    public var errorDescription: String? { errorTitle(kind: kind) }

    /// Why it failed, as the library says it.
    public var failureReason: String? { reason }

    /// What the person can do about it; nil if there is nothing to do.
    public var recoverySuggestion: String? {
        recovery == .none ? nil : recoveryHint(recovery: recovery)
    }
}
