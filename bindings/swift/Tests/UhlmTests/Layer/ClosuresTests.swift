import XCTest

@testable import Uhlm

/// What an app lends as a closure.
final class ClosuresTests: XCTestCase {
    func test_a_token_is_passed_on_with_the_question() async throws {
        let provider = ClosureTokenProvider { refresh in refresh ? "new" : "old" }
        let tokens = [try await provider.token(refresh: false), try await provider.token(refresh: true)]
        XCTAssertEqual(tokens, ["old", "new"])
    }

    func test_a_token_error_stays_what_it_is() async {
        let provider = ClosureTokenProvider { _ in throw TokenError.Denied(reason: "signed out") }
        await assert(provider, throws: .Denied(reason: "signed out"))
    }

    func test_any_other_error_is_out_of_reach_and_its_text_stays_with_the_app() async {
        struct Secret: Error { let key = "k-123" }
        let provider = ClosureTokenProvider { _ in throw Secret() }
        await assert(provider, throws: .Unavailable(reason: "the app's token provider threw Secret"))
    }

    private func assert(_ provider: ClosureTokenProvider, throws expected: TokenError) async {
        do {
            _ = try await provider.token(refresh: false)
            XCTFail("nothing was thrown")
        } catch {
            XCTAssertEqual(error as? TokenError, expected)
        }
    }

    func test_a_log_line_reaches_the_closure() {
        let lines = Locked<[LogLine]>([])
        let sink = ClosureLogSink { line in lines.withLock { $0.append(line) } }
        sink.log(level: .warn, target: "uhlm_core::link", line: "slow")
        XCTAssertEqual(lines.withLock { $0 }, [LogLine(level: .warn, target: "uhlm_core::link", text: "slow")])
    }

    func test_progress_is_reported_until_the_load_is_cancelled() {
        let shares = Locked<[Float]>([])
        let progress = CancellableProgress { share in shares.withLock { $0.append(share) } }
        XCTAssertTrue(progress.loaded(share: 0.5))
        progress.cancel()
        XCTAssertFalse(progress.loaded(share: 0.75))
        XCTAssertEqual(shares.withLock { $0 }, [0.5])
    }
}
