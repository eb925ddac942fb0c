import Foundation

/// The program with the models and the verifiers (`tests/src/bin/uhlm-fixture.rs`). One for all tests of a process; it
/// ends with the process, when its standard input does.
final class Fixture: @unchecked Sendable {
    struct Place: Decodable, Sendable {
        let url: String
        let fingerprint: String
    }

    /// What of its first line is used here.
    struct Ready: Decodable, Sendable {
        let draft: String
        /// A model that calls the tool `get_weather` in every reply.
        let caller: String
        let server: Place
    }

    struct Failure: Error {
        let what: String
    }

    private static let one = Result { try Fixture() }

    static var ready: Ready { get throws { try one.get().ready } }

    private let ready: Ready
    private let process = Process()
    private let commands = Pipe()

    private init() throws {
        guard let program = ProcessInfo.processInfo.environment["UHLM_FIXTURE"] else {
            throw Failure(what: "UHLM_FIXTURE names no program")
        }
        let answers = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.standardInput = commands
        process.standardOutput = answers
        try process.run()
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            guard let byte = try answers.fileHandleForReading.read(upToCount: 1), !byte.isEmpty else {
                throw Failure(what: "the fixture printed no line")
            }
            line += byte
        }
        ready = try JSONDecoder().decode(Ready.self, from: line)
    }
}
