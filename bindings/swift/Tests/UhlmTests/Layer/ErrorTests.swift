import Foundation
import XCTest

@testable import Uhlm

final class ErrorTests: XCTestCase {
    private let kinds: [ErrorKind] = [
        .modelNotFound, .modelDamaged, .modelUnsupported, .notEnoughMemory(needed: 9, fits: nil), .engineFailed,
        .invalidOptions, .promptTooLong(tokens: 9, reply: 2, capacity: 8), .consentRequired(messages: 1), .busy,
        .sessionClosed, .vocabularyMismatch, .offline, .serverBusy, .unauthorized, .untrusted, .refused, .metered,
        .checksumMissing, .storageFull, .storageFailed, .cancelled,
    ]

    func test_the_fields_of_an_error_can_be_read() {
        let kind = ErrorKind.promptTooLong(tokens: 9, reply: 2, capacity: 8)
        let error = UhlmError.Failed(kind: kind, reason: "9 of 8", retryable: true, recovery: .shortenPrompt)
        XCTAssertEqual(error.kind, kind)
        XCTAssertEqual(error.reason, "9 of 8")
        XCTAssertTrue(error.isRetryable)
        XCTAssertEqual(error.recovery, .shortenPrompt)
    }

    func test_an_alert_gets_a_sentence_the_reason_and_what_to_do() {
        for error in kinds.map({ failed($0) }) {
            let shown = error as any LocalizedError
            XCTAssertTrue(shown.errorDescription?.hasSuffix(".") == true, "\(error)")
            XCTAssertEqual(shown.failureReason, "why")
            XCTAssertEqual((error as any Error).localizedDescription, shown.errorDescription)
        }
        let descriptions = Set(kinds.compactMap { failed($0).errorDescription })
        XCTAssertEqual(descriptions.count, kinds.count, "each says something of its own")
    }

    func test_the_recovery_suggestion_is_the_core_s_hint_and_missing_where_there_is_nothing_to_do() {
        let full = failed(.storageFull, recovery: .freeStorage)
        XCTAssertEqual(full.recoverySuggestion, recoveryHint(recovery: .freeStorage))
        XCTAssertNil(failed(.cancelled).recoverySuggestion)
    }
}
