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
}
