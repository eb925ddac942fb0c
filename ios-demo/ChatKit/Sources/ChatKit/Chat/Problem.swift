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
            // The library names what failed in English.
            let title = Words.current.language == "en" ? error.errorDescription : nil
            self.init(title ?? say("end.failed"), error.recovery, isRetryable: error.isRetryable)
        case let failure as StoreFailure:
            self.init(failure)
        case is SecretFailure:
            self.init(say("problem.secret"), .tryAgain, isRetryable: true)
        default:
            self.init(say("problem.unknown"), .tryAgain, isRetryable: true)
        }
    }

    init(_ title: String, _ recovery: Recovery, isRetryable: Bool = false) {
        self.title = title
        self.recovery = recovery
        self.isRetryable = isRetryable
        advice = recovery == .none ? nil : say("recovery.\(recovery.code)")
    }

    private init(_ failure: StoreFailure) {
        switch failure {
        case .missing: self.init(say("problem.missing"), .none)
        case .unreadable: self.init(say("problem.unreadable"), .none)
        case .storage: self.init(say("problem.not_kept"), .freeStorage)
        }
    }
}

extension Recovery {
    /// Its name among the words.
    fileprivate var code: String {
        switch self {
        case .tryAgain: "try_again"
        case .provideModel: "provide_model"
        case .downloadAgain: "download_again"
        case .chooseAnotherModel: "choose_another_model"
        case .fixOptions: "fix_options"
        case .shortenPrompt: "shorten_prompt"
        case .signIn: "sign_in"
        case .checkEndpoint: "check_endpoint"
        case .waitForNetwork: "wait_for_network"
        case .openAgain: "open_again"
        case .freeMemory: "free_memory"
        case .freeStorage: "free_storage"
        case .askForConsent: "ask_for_consent"
        case .none: "none"
        }
    }
}
