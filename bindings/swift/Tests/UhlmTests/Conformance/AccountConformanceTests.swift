import XCTest

@testable import Uhlm

/// `tests/conformance.md`: why the target was asked, how much of it was taken, and how much may be.
final class AccountConformanceTests: Suite {
    private func drawing(_ mode: Mode, offline: OfflinePolicy = .wait(seconds: limit)) throws -> SessionOptions {
        var options = try options(mode, offline: offline)
        options.sampling = SamplingParams()
        options.goal = .threshold(uncertainty: 0.3)
        return options
    }

    private func committed(
        _ session: UhlmSession, _ options: GenerationOptions
    ) async throws -> [(token: TokenText, origin: Origin)] {
        var committed: [(token: TokenText, origin: Origin)] = []
        for try await event in session.generate(try ready.questions[0], options: options) {
            if case .committed(let token, let origin) = event { committed.append((token, origin)) }
        }
        return committed
    }

    func test_each_token_says_why_it_was_asked_about() async throws {
        let session = try await pair(drawing(.opportunistic))
        for (token, origin) in try await committed(session, GenerationOptions(maxTokens: 60, explain: true)) {
            let why = try XCTUnwrap(token.why)
            let decisions: [Decision] =
                switch origin {
                case .draft: [.passed]
                case .verified: [.agreed]
                case .target: [.replaced, .ranAhead]
                case .unverified: [.alone]
                }
            XCTAssertTrue(decisions.contains(why.decision), "\(why) of \(origin)")
            if why.decision == .passed { XCTAssertEqual(why.threshold, 0.3) }
            XCTAssertEqual(origin == .verified || origin == .target, why.request != nil)
        }
        let silent = try await committed(session, GenerationOptions(maxTokens: 20))
        XCTAssertTrue(silent.allSatisfy { $0.token.why == nil })
    }

    func test_a_budget_bounds_what_is_taken_of_the_verifier() async throws {
        let question = try ready.questions[0]
        for budget in [Budget(requests: 3), Budget(bytes: 400), Budget(targetPasses: 5)] {
            var options = try drawing(.exact, offline: .goOn)
            options.budget = budget
            let session = try await pair(options)
            var spent: [Bool] = []
            for _ in 0..<4 {
                let reply = try await session.respond(to: question, options: GenerationOptions(maxTokens: 60))
                spent.append(reply.statistics.budgetSpent)
            }
            XCTAssertEqual(spent.last, true, "\(budget)")
            let totals = try session.totals()
            XCTAssertEqual(totals.generations, 4)
            XCTAssertGreaterThan(totals.origins.unverified, 0)
            if let most = budget.requests { XCTAssertLessThanOrEqual(totals.requests, most) }
            options.spent = totals
            options.offline = .fail
            let failing = try await pair(options)
            let error = await error { try await failing.respond(to: question) }
            XCTAssertEqual(error?.kind, .budgetSpent)
            XCTAssertEqual(try failing.sent().totalRequests, 0)
        }
    }

    func test_a_dry_run_tells_what_would_be_asked_and_sends_nothing() async throws {
        var options = try drawing(.opportunistic)
        options.consent = .withheld
        let session = try await pair(options)
        let dry = GenerationOptions(maxTokens: 60, explain: true, dryRun: true)
        var origins: [Origin] = []
        for (token, origin) in try await committed(session, dry) {
            let uncertainty = try XCTUnwrap(token.why?.uncertainty)
            XCTAssertEqual(origin, uncertainty > 0.3 ? .unverified : .draft)
            origins.append(origin)
        }
        XCTAssertTrue(origins.contains(.unverified) && origins.contains(.draft))
        XCTAssertEqual(try session.sent().totalRequests, 0)
    }

    func test_totals_add_up_and_can_be_kept() async throws {
        let (session, question) = (try await alone(ready.draft), try ready.questions[0])
        var drafted: UInt64 = 0
        for _ in 0..<2 {
            let reply = try await session.respond(to: question, options: GenerationOptions(maxTokens: 20))
            drafted += reply.statistics.drafted
        }
        let totals = try session.totals()
        XCTAssertEqual(totals.generations, 2)
        XCTAssertEqual(totals.drafted, drafted)
        XCTAssertEqual(try totalsFromJson(json: totalsToJson(totals: totals)), totals)
        XCTAssertEqual(totalsSum(one: totals, other: totals).drafted, 2 * drafted)
        let refused = await error { try totalsFromJson(json: "no json") }
        XCTAssertEqual(refused?.kind, .invalidOptions)
    }
}
