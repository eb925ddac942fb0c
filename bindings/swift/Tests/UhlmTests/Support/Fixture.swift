import Foundation
import XCTest

@testable import Uhlm

/// The program that holds the models, the verifiers and the weather; see `tests/src/bin/uhlm-fixture.rs`. One for all
/// tests of a process; it ends with the process, when its standard input does.
final class Fixture: @unchecked Sendable {
    /// Where a verifier is, how it is known, and what it wants.
    struct Place: Decodable, Sendable {
        let url: String
        let fingerprint: String
        let token: String?
    }

    /// The first line that the program prints.
    struct Ready: Decodable, Sendable {
        let draft: String
        let damaged: String
        let missing: String
        let parrot: String
        let parrotText: String
        /// A model that calls the tool `get_weather` in every reply.
        let caller: String
        let heavy: String
        let calibration: String
        let questions: [String]
        let server: Place
        let guarded: Place
        let parrotServer: Place
        let weather: Place
        /// Computes one row of a pass at a time: its logits do not depend on what shares a batch.
        let steady: Place
        let models: Models
    }

    /// The models that the program serves: the demo draft in one file and in three parts.
    struct Models: Decodable, Sendable {
        let roots: String
        let whole: String
        let wholeSha256: String
        let split: String
        let splitSha256: [String]
        /// A verifier that answers every request with 503.
        let busyVerifier: String
    }

    /// What the open verifier is busy with.
    struct Metrics: Decodable, Sendable {
        let sessions: Int
        let sequences: Int
        let queued: Int
    }

    enum Weather: String {
        case clear, resets, blackhole, stall
    }

    enum Failure: Error {
        case noProgram
        case ended
        case refused(String)
    }

    static let shared = Result { try Fixture() }

    let ready: Ready
    private let process = Process()
    private let commands = Pipe()
    private let answers = Pipe()
    /// Answers that were read, but not used yet; its lock also makes a command and its answer one.
    private let unread: Locked<Data>

    private init() throws {
        guard let program = ProcessInfo.processInfo.environment["UHLM_FIXTURE"] else { throw Failure.noProgram }
        process.executableURL = URL(fileURLWithPath: program)
        process.standardInput = commands
        process.standardOutput = answers
        try process.run()
        var first = Data()
        let line = try Self.line(from: answers, unread: &first)
        ready = try JSONDecoder().decode(Ready.self, from: line)
        unread = Locked(first)
    }

    func weather(_ weather: Weather) throws {
        let answer = try ask("weather \(weather.rawValue)")
        guard String(decoding: answer, as: UTF8.self).contains("\"ok\"") else {
            throw Failure.refused(String(decoding: answer, as: UTF8.self))
        }
    }

    func metrics() throws -> Metrics {
        try JSONDecoder().decode(Metrics.self, from: ask("metrics"))
    }

    private func ask(_ command: String) throws -> Data {
        try unread.withLock { unread in
            try commands.fileHandleForWriting.write(contentsOf: Data("\(command)\n".utf8))
            return try Self.line(from: answers, unread: &unread)
        }
    }

    private static func line(from pipe: Pipe, unread: inout Data) throws -> Data {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Data(unread[unread.startIndex..<end])
                unread = Data(unread[unread.index(after: end)...])
                return line
            }
            let more = pipe.fileHandleForReading.availableData
            if more.isEmpty { throw Failure.ended }
            unread.append(more)
        }
    }
}
