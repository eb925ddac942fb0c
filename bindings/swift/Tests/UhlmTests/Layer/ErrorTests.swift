import Foundation
import XCTest

@testable import Uhlm

final class ErrorTests: XCTestCase {
    private let all: [UhlmError] = [
        .ModelNotFound(reason: "why", retryable: false, recovery: .provideModel),
        .ModelDamaged(reason: "why", retryable: false, recovery: .downloadAgain),
        .ModelUnsupported(reason: "why", retryable: false, recovery: .chooseAnotherModel),
        .InvalidOptions(reason: "why", retryable: false, recovery: .fixOptions),
        .PromptTooLong(reason: "why", retryable: false, recovery: .shortenPrompt, tokens: 9, capacity: 8),
        .Busy(reason: "why", retryable: true, recovery: .tryAgain),
        .SessionClosed(reason: "why", retryable: false, recovery: .openAgain),
        .VocabularyMismatch(reason: "why", retryable: false, recovery: .chooseAnotherModel),
        .Unauthorized(reason: "why", retryable: false, recovery: .signIn),
        .Untrusted(reason: "why", retryable: false, recovery: .checkEndpoint),
        .Offline(reason: "why", retryable: true, recovery: .waitForNetwork),
        .Refused(reason: "why", retryable: false, recovery: .checkEndpoint),
        .EngineFailed(reason: "why", retryable: false, recovery: .freeMemory),
        .LoadCancelled(reason: "why", retryable: false, recovery: .none),
    ]

    func test_an_alert_gets_a_sentence_the_reason_and_what_to_do() {
        for error in all {
            let shown = error as any LocalizedError
            XCTAssertTrue(shown.errorDescription?.hasSuffix(".") == true, "\(error)")
            XCTAssertFalse(shown.errorDescription?.contains("reason") == true, "no dump: \(error)")
            XCTAssertEqual(shown.failureReason, "why")
            XCTAssertEqual((error as any Error).localizedDescription, shown.errorDescription)
        }
        let descriptions = Set(all.compactMap(\.errorDescription))
        XCTAssertEqual(descriptions.count, all.count, "each says something of its own")
    }

    func test_the_recovery_suggestion_is_the_core_s_hint_and_missing_where_there_is_nothing_to_do() {
        for error in all where error.recovery != .none {
            XCTAssertEqual(error.recoverySuggestion, recoveryHint(recovery: error.recovery))
        }
        XCTAssertNil(all.last?.recoverySuggestion)
    }

    func test_every_case_says_whether_trying_again_helps() {
        let retryable = all.filter(\.isRetryable).map(\.recovery)
        XCTAssertEqual(retryable, [.tryAgain, .waitForNetwork])
        XCTAssertTrue(all.allSatisfy { $0.reason == "why" })
    }
}
