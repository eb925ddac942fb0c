import XCTest

@testable import Uhlm

/// The layer's own logic, against a generation that does what the test says.
final class GenerationEventsTests: XCTestCase {
    func test_nothing_is_started_before_the_first_element_is_asked_for() async throws {
        let session = FakeSession(FakeGeneration([.success([finished(.endOfReply, text: "")])]))
        let events = session.generate("hello")
        var iterator = events.makeAsyncIterator()
        XCTAssertEqual(session.starts.count, 0)
        _ = try await iterator.next()
        XCTAssertEqual(session.starts.count, 1)
    }

    func test_a_message_is_chat_and_options_are_passed_on() async throws {
        let session = FakeSession(FakeGeneration([]), FakeGeneration([]))
        let options = GenerationOptions(maxTokens: 7, stop: ["."])
        _ = try await collect(session.generate("hello", options: options))
        _ = try await collect(session.generate(.raw(text: "once"), options: options))
        XCTAssertEqual(session.starts.map(\.prompt), [.chat(text: "hello"), .raw(text: "once")])
        XCTAssertEqual(session.starts.map(\.options), [options, options])
    }

    func test_each_loop_is_a_generation_of_its_own() async throws {
        let session = FakeSession(
            FakeGeneration([.success([committed("a"), finished(.endOfReply, text: "a")])]),
            FakeGeneration([.success([committed("b"), finished(.endOfReply, text: "b")])]))
        let events = session.generate("hello")
        let first = try await collect(events)
        let second = try await collect(events)
        XCTAssertEqual([first.text, second.text], ["a", "b"])
    }

    func test_events_of_many_calls_come_in_their_order_and_none_follows_the_end() async throws {
        let all = [
            provisional("a"), committed("a"), committed("b"), .rollback(tokens: 1), finished(.endOfReply, text: "ab"),
        ]
        let generation = FakeGeneration([.success(Array(all[..<2])), .success(Array(all[2...]))])
        var iterator = FakeSession(generation).generate("hello").makeAsyncIterator()
        var seen: [GenerationEvent] = []
        while let event = try await iterator.next() { seen.append(event) }
        XCTAssertEqual(seen, all)
        let after = try await iterator.next()
        XCTAssertNil(after)
        XCTAssertEqual(generation.pulls, 2, "nothing is pulled after the end")
    }

    func test_nothing_is_pulled_while_the_loop_works() async throws {
        let generation = FakeGeneration([
            .success([committed("a"), committed("b")]), .success([finished(.endOfReply, text: "ab")]),
        ])
        var iterator = FakeSession(generation).generate("hello").makeAsyncIterator()
        _ = try await iterator.next()
        XCTAssertEqual(generation.pulls, 1)
        _ = try await iterator.next()
        XCTAssertEqual(generation.pulls, 1, "the second event was there already")
        _ = try await iterator.next()
        XCTAssertEqual(generation.pulls, 2)
    }

    func test_an_error_is_thrown_once_and_then_the_sequence_has_ended() async throws {
        let offline = failed(.offline, retryable: true, recovery: .waitForNetwork)
        let generation = FakeGeneration([.success([committed("a")]), .failure(offline)])
        var iterator = FakeSession(generation).generate("hello").makeAsyncIterator()
        _ = try await iterator.next()
        do {
            _ = try await iterator.next()
            XCTFail("nothing was thrown")
        } catch {
            XCTAssertEqual(error as? UhlmError, offline)
        }
        let after = try await iterator.next()
        XCTAssertNil(after)
    }

    func test_an_error_of_the_start_is_thrown_with_the_first_element() async throws {
        let error = await error { try await collect(FakeSession().generate("hello")) }
        XCTAssertEqual(error?.kind, .busy)
    }

    func test_a_break_cancels() async throws {
        let generation = FakeGeneration([.success([committed("a"), committed("b")])], whenCancelled: [])
        for try await _ in FakeSession(generation).generate("hello") { break }
        XCTAssertEqual(generation.cancels, 1)
    }

    func test_an_error_in_the_loop_cancels() async throws {
        struct Own: Error {}
        let generation = FakeGeneration([.success([committed("a"), committed("b")])], whenCancelled: [])
        do {
            for try await _ in FakeSession(generation).generate("hello") { throw Own() }
            XCTFail("nothing was thrown")
        } catch is Own {}
        XCTAssertEqual(generation.cancels, 1)
    }

    func test_a_loop_that_reached_the_end_cancels_nothing() async throws {
        let generation = FakeGeneration([.success([committed("a"), finished(.endOfReply, text: "a")])])
        _ = try await collect(FakeSession(generation).generate("hello"))
        XCTAssertEqual(generation.cancels, 0)
    }

    func test_an_iterator_that_was_never_used_starts_and_cancels_nothing() {
        let session = FakeSession(FakeGeneration([]))
        _ = session.generate("hello").makeAsyncIterator()
        XCTAssertEqual(session.starts.count, 0)
    }

    func test_cancelling_a_task_that_waits_reaches_the_generation_within_the_call() async throws {
        let generation = FakeGeneration(
            [.success([committed("a")])], whenCancelled: [committed("b"), finished(.cancelled, text: "ab")])
        let session = FakeSession(generation)
        let task = Task { try await collect(session.generate("hello")) }
        try await eventually("the task waits") { generation.pulls == 2 }
        task.cancel()
        XCTAssertGreaterThan(generation.cancels, 0, "cancel() itself reaches it")
        let seen = try await value(of: task)
        XCTAssertEqual(seen.text, "ab", "what was committed until then still arrives")
        XCTAssertEqual(seen.end?.finish, .cancelled)
    }

    func test_a_task_that_is_cancelled_in_the_loop_cancels_although_events_wait() async throws {
        let generation = FakeGeneration(
            [.success([committed("a"), committed("b"), committed("c")])],
            whenCancelled: [finished(.cancelled, text: "abc")])
        let session = FakeSession(generation)
        let task = Task {
            var seen = Seen()
            for try await event in session.generate("hello") {
                seen.events.append(event)
                if seen.events.count == 1 { withUnsafeCurrentTask { $0?.cancel() } }
                if seen.events.count == 2 { XCTAssertGreaterThan(generation.cancels, 0, "before the second event") }
            }
            return seen
        }
        let seen = try await value(of: task)
        XCTAssertEqual(seen.text, "abc")
        XCTAssertEqual(seen.end?.finish, .cancelled)
    }

    func test_a_session_that_only_the_loop_holds_lives_as_long_as_the_loop() async throws {
        weak var held: FakeSession?
        func events() -> GenerationEvents {
            let generation = FakeGeneration([.success([committed("a")]), .success([finished(.endOfReply, text: "a")])])
            let session = FakeSession(generation)
            held = session
            return session.generate("hello")
        }
        for try await _ in events() { XCTAssertNotNil(held) }
        XCTAssertNil(held)
    }

    func test_in_a_cancelled_task_nothing_is_started() async throws {
        let session = FakeSession(FakeGeneration([]))
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await collect(session.generate("hello"))
        }
        let seen = try await value(of: task)
        XCTAssertEqual(seen.events, [])
        XCTAssertEqual(session.starts.count, 0)
    }

    /// Compiles in language mode 6: the sequence may be looped over on any actor.
    func test_the_main_actor_may_loop() async throws {
        let session = FakeSession(FakeGeneration([.success([committed("a"), finished(.endOfReply, text: "a")])]))
        let shown = try await shownOnTheMainActor(session)
        XCTAssertEqual(shown, "a")
    }
}

@MainActor
private func shownOnTheMainActor(_ session: FakeSession) async throws -> String {
    var shown = ""
    for try await piece in session.generateText("hello") { shown += piece }
    return shown
}
