import Foundation
import Uhlm

/// What went wrong, as an alert shows it. Never any text of the person.
public struct Problem: Error, Sendable, Equatable {
    /// What failed, in one sentence.
    public let title: String
    /// What to do about it; nil where there is nothing to do.
    public let advice: String?
    /// What the app offers a button for.
    public let recovery: Recovery
    /// Whether the same may succeed later.
    public let isRetryable: Bool

    /// Any error as a problem.
    public init(_ error: any Error) {
        switch error {
        case let problem as Problem:
            self = problem
        case let error as UhlmError:
            self.init(error.errorDescription ?? "The model failed.", error.recovery, isRetryable: error.isRetryable)
        case let error as ModelStoreError:
            self.init(error)
        case let failure as StoreFailure:
            self.init(failure)
        case is SecretFailure:
            self.init("The key could not be read or kept.", .tryAgain, isRetryable: true)
        default:
            self.init("Something failed.", .tryAgain, isRetryable: true)
        }
    }

    init(_ title: String, _ recovery: Recovery, isRetryable: Bool = false) {
        self.title = title
        self.recovery = recovery
        self.isRetryable = isRetryable
        advice = recovery == .none ? nil : recoveryHint(recovery: recovery)
    }

    private init(_ failure: StoreFailure) {
        switch failure {
        case .missing: self.init("The conversation is not there any more.", .none)
        case .unreadable: self.init("The conversation's file is damaged.", .none)
        case .storage: self.init("The conversation could not be kept.", .freeStorage)
        }
    }

    private init(_ error: ModelStoreError) {
        switch error {
        case .InvalidRequest(_, let retryable, let recovery):
            self.init("This is no address of a model.", recovery, isRetryable: retryable)
        case .Metered(_, let retryable, let recovery):
            self.init("Downloads wait for a network that is not metered.", recovery, isRetryable: retryable)
        case .AlreadyRunning(_, let retryable, let recovery):
            self.init("This model is being downloaded already.", recovery, isRetryable: retryable)
        case .DiskFull(_, let retryable, let recovery):
            self.init("There is not enough room for the model.", recovery, isRetryable: retryable)
        case .Storage(_, let retryable, let recovery):
            self.init("The model could not be kept.", recovery, isRetryable: retryable)
        case .Network(_, let retryable, let recovery):
            self.init("The download broke off. What came is kept.", recovery, isRetryable: retryable)
        case .Untrusted(_, let retryable, let recovery):
            self.init("The server cannot be trusted.", recovery, isRetryable: retryable)
        case .Unauthorized(_, let retryable, let recovery):
            self.init("The server wants to know who you are.", recovery, isRetryable: retryable)
        case .NotFound(_, let retryable, let recovery):
            self.init("There is no such model.", recovery, isRetryable: retryable)
        case .Corrupt(_, let retryable, let recovery):
            self.init("What came is not this model.", recovery, isRetryable: retryable)
        case .Cancelled(_, let retryable, let recovery):
            self.init("The download was stopped.", recovery, isRetryable: retryable)
        }
    }
}
