import Foundation

extension UhlmError {
    /// What happened, in English, without any text of the person. For logs.
    public var reason: String { parts.reason }

    /// Whether the same call may succeed later without the app changing anything.
    public var isRetryable: Bool { parts.retryable }

    /// What the app can do about it.
    public var recovery: Recovery { parts.recovery }

    private var parts: (reason: String, retryable: Bool, recovery: Recovery) {
        switch self {
        case .ModelNotFound(let reason, let retryable, let recovery),
            .ModelDamaged(let reason, let retryable, let recovery),
            .ModelUnsupported(let reason, let retryable, let recovery),
            .InvalidOptions(let reason, let retryable, let recovery),
            .PromptTooLong(let reason, let retryable, let recovery, _, _),
            .ConsentRequired(let reason, let retryable, let recovery, _),
            .NotEnoughMemory(let reason, let retryable, let recovery, _, _),
            .Busy(let reason, let retryable, let recovery),
            .SessionClosed(let reason, let retryable, let recovery),
            .VocabularyMismatch(let reason, let retryable, let recovery),
            .Unauthorized(let reason, let retryable, let recovery),
            .Untrusted(let reason, let retryable, let recovery),
            .Offline(let reason, let retryable, let recovery),
            .Refused(let reason, let retryable, let recovery),
            .EngineFailed(let reason, let retryable, let recovery),
            .LoadCancelled(let reason, let retryable, let recovery):
            (reason, retryable, recovery)
        }
    }
}

/// What an alert shows. English; apps that speak other languages switch on the case and on ``UhlmError/recovery``.
extension UhlmError: LocalizedError {
    /// What failed, in one sentence for a person.
    public var errorDescription: String? {
        switch self {
        case .ModelNotFound: "The model is not there."
        case .ModelDamaged: "The model's file is damaged."
        case .ModelUnsupported: "The model cannot be used."
        case .InvalidOptions: "A setting is not valid."
        case .PromptTooLong: "The conversation is too long for the model."
        case .ConsentRequired: "This conversation may not be sent to the server."
        case .NotEnoughMemory: "There is not enough memory for the model."
        case .Busy: "A reply is being written."
        case .SessionClosed: "The conversation was closed."
        case .VocabularyMismatch: "The model does not fit the server's."
        case .Unauthorized: "The server does not know you."
        case .Untrusted: "The server cannot be trusted."
        case .Offline: "The server cannot be reached."
        case .Refused: "The server refused."
        case .EngineFailed: "The model failed."
        case .LoadCancelled: "Loading the model was cancelled."
        }
    }

    /// Why, as the library says it.
    public var failureReason: String? { reason }

    /// What to do about it; nil where there is nothing to do.
    public var recoverySuggestion: String? {
        recovery == .none ? nil : recoveryHint(recovery: recovery)
    }
}

extension ModelStoreError {
    /// What happened, in English. For logs.
    public var reason: String { parts.reason }

    /// Whether the same call may succeed later without the app changing anything.
    public var isRetryable: Bool { parts.retryable }

    /// What the app can do about it.
    public var recovery: Recovery { parts.recovery }

    private var parts: (reason: String, retryable: Bool, recovery: Recovery) {
        switch self {
        case .InvalidRequest(let reason, let retryable, let recovery),
            .Metered(let reason, let retryable, let recovery),
            .AlreadyRunning(let reason, let retryable, let recovery),
            .DiskFull(let reason, let retryable, let recovery),
            .Storage(let reason, let retryable, let recovery),
            .Network(let reason, let retryable, let recovery),
            .Untrusted(let reason, let retryable, let recovery),
            .Unauthorized(let reason, let retryable, let recovery),
            .NotFound(let reason, let retryable, let recovery),
            .Corrupt(let reason, let retryable, let recovery),
            .Cancelled(let reason, let retryable, let recovery):
            (reason, retryable, recovery)
        }
    }
}

/// What an alert shows.
extension ModelStoreError: LocalizedError {
    /// What failed, in one sentence for a person.
    public var errorDescription: String? {
        switch self {
        case .InvalidRequest: "The model's address cannot be used."
        case .Metered: "The download waits for a network that is not metered."
        case .AlreadyRunning: "The model is being downloaded already."
        case .DiskFull: "There is not enough storage for the model."
        case .Storage: "The model cannot be stored."
        case .Network: "The model's server cannot be reached."
        case .Untrusted: "The model's server cannot be trusted."
        case .Unauthorized: "The model's server wants you to sign in."
        case .NotFound: "There is no such model."
        case .Corrupt: "The model's file is damaged."
        case .Cancelled: "The download was cancelled."
        }
    }

    /// Why, as the library says it.
    public var failureReason: String? { reason }

    /// What to do about it; nil where there is nothing to do.
    public var recoverySuggestion: String? {
        recovery == .none ? nil : recoveryHint(recovery: recovery)
    }
}
