import Foundation
import XCTest

@testable import Uhlm

/// `tests/conformance.md`: what arrives, and in which order.
final class StreamConformanceTests: Suite {
    func test_the_first_event_comes_before_the_end() async throws {
        let session = try await alone(try ready.heavy)
        for try await _ in session.generate(.raw(text: "go"), options: GenerationOptions(maxTokens: 400)) {
            XCTAssertTrue(try isGenerating(session), "it runs while the first event is here")
            break
        }
    }

    func test_events_come_in_their_order() async throws {
        let expected: [(mode: Mode, origins: Set<Origin>)] = [
            (.deviceOnly, [.draft]), (.remoteOnly, [.target]), (.exact, [.verified, .target]),
            (.opportunistic, [.draft, .verified, .target]),
        ]
        for (mode, origins) in expected {
            var options = try options(mode)
            options.draftAhead = .whileWaiting
            let session = try await pair(options)
            var rollbacks = 0
            for question in try ready.questions.prefix(8) {
                let seen = try await collect(session.generate(question))
                try assertOrder(seen, "\(mode)")
                XCTAssertTrue(Set(seen.committed.map(\.origin)).isSubset(of: origins), "\(mode)")
                rollbacks += seen.rollbacks
            }
            if mode == .deviceOnly || mode == .remoteOnly { XCTAssertEqual(rollbacks, 0, "\(mode)") }
        }
    }

    private func assertOrder(_ seen: Seen, _ what: String) throws {
        var open: [UInt32] = []
        for (index, event) in seen.events.enumerated() {
            switch event {
            case .provisional(let token):
                open.append(token.id)
            case .committed(let token, _):
                if !open.isEmpty { XCTAssertEqual(open.removeFirst(), token.id, "\(what): a commit takes the front") }
            case .reasoning(let token, _):
                if !open.isEmpty { XCTAssertEqual(open.removeFirst(), token.id, "\(what): reasoning takes the front") }
            case .rollback(let tokens):
                XCTAssertEqual(Int(tokens), open.count, "\(what): a rollback voids what is open")
                XCTAssertGreaterThan(tokens, 0, what)
                open = []
            case .state, .toolCall, .toolResult, .malformedToolCall:
                break
            case .finished:
                XCTAssertEqual(index, seen.events.count - 1, "\(what): nothing follows the end")
            }
        }
        XCTAssertNotNil(seen.end, what)
    }

    func test_the_text_is_the_sum_of_the_commits() async throws {
        for question in try ready.questions.prefix(4) {
            let seen = try await collect(pair().generate(question))
            let end = try XCTUnwrap(seen.end)
            XCTAssertFalse(end.text.isEmpty)
            XCTAssertEqual(seen.text, end.text)
            let pieces = try await collect(pair().generateText(question))
            XCTAssertEqual(pieces.joined(), end.text)
            let reply = try await pair().respond(to: question)
            XCTAssertEqual(reply.text, end.text)
            XCTAssertEqual(reply.finish, end.finish)
        }
    }

    func test_a_rollback_never_reaches_the_text_stream() async throws {
        var rollbacks = 0
        for question in try ready.questions where rollbacks < 3 {
            let seen = try await collect(pair().generate(question))
            if seen.rollbacks == 0 { continue }
            rollbacks += seen.rollbacks
            var text = ""
            for try await piece in try await pair().generateText(question) {
                XCTAssertFalse(piece.isEmpty)
                text += piece
                XCTAssertTrue(seen.text.hasPrefix(text), "it only grows towards the committed text")
            }
            XCTAssertEqual(text, try XCTUnwrap(seen.end).text)
        }
        XCTAssertGreaterThan(rollbacks, 0, "no question of the fixture made the target reject anything")
    }

    func test_split_characters_arrive_whole() async throws {
        let ready = try ready
        let remote = try await engine(ready.parrot)
            .openSession(verifier: verifier(ready.parrotServer), options: options(.exact))
        for session in [try await alone(ready.parrot), remote] {
            let seen = try await collect(session.generate(.raw(text: "go")))
            let end = try XCTUnwrap(seen.end)
            XCTAssertEqual(end.text, ready.parrotText)
            XCTAssertEqual(end.finish, .endOfReply)
            XCTAssertEqual(seen.text, ready.parrotText)
            XCTAssertTrue(seen.committed.contains { $0.token.text.isEmpty }, "tokens end inside characters")
            let pieces = try await collect(session.generateText(.raw(text: "go")))
            XCTAssertEqual(pieces.joined(), ready.parrotText)
            for piece in pieces + seen.committed.map(\.token.text) {
                XCTAssertFalse(piece.unicodeScalars.contains("\u{FFFD}"), piece)
            }
        }
    }

    func test_two_sessions_generate_at_once() async throws {
        let ready = try ready
        let (first, second) = (ready.questions[0], ready.questions[1])
        let expected = [try await pair().respond(to: first).text, try await pair().respond(to: second).text]

        let verifier = try verifier(ready.server)
        let engine = try await engine(ready.draft)
        let sessions = [
            try await engine.openSession(verifier: verifier, options: options(.exact)),
            try await engine.openSession(verifier: verifier, options: options(.exact)),
        ]
        var iterators = [
            sessions[0].generate(first).makeAsyncIterator(), sessions[1].generate(second).makeAsyncIterator(),
        ]
        var seen = [Seen(), Seen()]
        var open: Set = [0, 1]
        while !open.isEmpty {
            for index in open.sorted() {
                if let event = try await iterators[index].next() {
                    seen[index].events.append(event)
                } else {
                    open.remove(index)
                }
            }
            if seen.allSatisfy({ $0.events.count == 1 }) {
                XCTAssertTrue(try sessions.allSatisfy { try isGenerating($0) } || seen.allSatisfy { $0.end == nil })
            }
        }
        XCTAssertEqual(seen.map(\.text), expected)
        XCTAssertEqual(seen.map { $0.end?.text }, expected)
    }
}
