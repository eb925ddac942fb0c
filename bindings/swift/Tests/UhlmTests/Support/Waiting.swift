import Foundation
import XCTest

@testable import Uhlm

/// Generous: the machine may be busy with something else.
let limit: TimeInterval = 20

struct TookTooLong: Error, CustomStringConvertible {
    let description: String
}

/// Looks again and again until `condition` holds.
func eventually(
    _ what: String, within seconds: TimeInterval = limit, _ condition: () async throws -> Bool
) async throws {
    let end = Date().addingTimeInterval(seconds)
    while try await !condition() {
        if Date() > end { throw TookTooLong(description: "not within \(seconds) s: \(what)") }
        try await Task.sleep(nanoseconds: 2_000_000)
    }
}

/// The value of a task, or an error where it takes too long; the task is then cancelled.
func value<Value: Sendable>(
    of task: Task<Value, any Error>, within seconds: TimeInterval = limit
) async throws -> Value {
    let outcome = Handover<Result<Value, any Error>>()
    Task { outcome.give(await task.result) }
    let watch = Task {
        try await Task.sleep(nanoseconds: UInt64(seconds * 1e9))
        task.cancel()
        outcome.give(.failure(TookTooLong(description: "the task did not end within \(seconds) s")))
    }
    defer { watch.cancel() }
    return try await outcome.take().get()
}

/// The error that `body` throws.
func error<Value>(of body: () async throws -> Value) async -> UhlmError? {
    do {
        _ = try await body()
        XCTFail("nothing was thrown")
    } catch let error as UhlmError {
        return error
    } catch {
        XCTFail("another error: \(error)")
    }
    return nil
}

/// What a loop over a generation saw.
struct Seen: Sendable {
    var events: [GenerationEvent] = []

    var committed: [(token: TokenText, origin: Origin)] {
        events.compactMap { event in
            if case .committed(let token, let origin) = event { (token, origin) } else { nil }
        }
    }

    /// The concatenation of the committed texts.
    var text: String { committed.map(\.token.text).joined() }

    var rollbacks: Int {
        events.count { event in if case .rollback = event { true } else { false } }
    }

    var states: [(link: LinkState, cause: LinkCause?)] {
        events.compactMap { event in if case .state(let link, let cause) = event { (link, cause) } else { nil } }
    }

    /// The last event, where it is the end.
    var end: (finish: FinishReason, text: String, statistics: Statistics)? {
        guard case .finished(let finish, let text, _, let statistics) = events.last else { return nil }
        return (finish, text, statistics)
    }
}

/// Loops to the end.
func collect(_ events: GenerationEvents) async throws -> Seen {
    var seen = Seen()
    for try await event in events { seen.events.append(event) }
    return seen
}

/// Loops to the end.
func collect(_ text: GenerationText) async throws -> [String] {
    var pieces: [String] = []
    for try await piece in text { pieces.append(piece) }
    return pieces
}
