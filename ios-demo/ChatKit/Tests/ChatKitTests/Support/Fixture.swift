import Foundation
import XCTest

/// The program with the models, the servers and the weather (`tests/src/bin/uhlm-fixture.rs`). It ends with this
/// process.
final class Fixture: @unchecked Sendable {
    struct Place: Decodable, Sendable {
        let url: String
        let fingerprint: String
        let token: String?
    }

    /// What of its first line is used here.
    struct Ready: Decodable, Sendable {
        let draft: String
        let parrot: String
        let heavy: String
        let parrotText: String
        /// A model that calls the tool `get_weather` in every reply.
        let caller: String
        let calibration: String
        let questions: [String]
        let server: Place
        let guarded: Place
        let weather: Place
    }

    enum Weather: String {
        case clear, resets, blackhole
    }

    struct Failure: Error {
        let what: String
    }

    private static let one = Result { try Fixture() }

    static var shared: Fixture { get throws { try one.get() } }

    let ready: Ready
    private let process = Process()
    private let commands = Pipe()
    private let lines: Lines
    private let turn = NSLock()

    private init() throws {
        // Linux ends a process that writes to a connection that was reset; Rust's sockets turn that off on Apple's
        // systems.
        signal(SIGPIPE, SIG_IGN)
        guard let program = ProcessInfo.processInfo.environment["UHLM_FIXTURE"] else {
            throw Failure(what: "UHLM_FIXTURE names no program")
        }
        let answers = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.standardInput = commands
        process.standardOutput = answers
        try process.run()
        lines = Lines(answers.fileHandleForReading)
        guard let first = lines.next() else { throw Failure(what: "the fixture printed nothing") }
        ready = try JSONDecoder().decode(Ready.self, from: Data(first.utf8))
    }

    func weather(_ weather: Weather) throws {
        try turn.withLock {
            try commands.fileHandleForWriting.write(contentsOf: Data("weather \(weather.rawValue)\n".utf8))
            guard lines.next()?.contains("\"ok\"") == true else { throw Failure(what: "no weather") }
        }
    }
}

/// The lines of a program's output, one after the other.
final class Lines {
    private let handle: FileHandle
    private var unread = Data()

    init(_ handle: FileHandle) {
        self.handle = handle
    }

    /// Nil when the program ended. A line that was cut is no line.
    func next() -> String? {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                defer { unread = Data(unread[unread.index(after: end)...]) }
                return String(decoding: unread[..<end], as: UTF8.self)
            }
            let more = handle.availableData
            if more.isEmpty { return nil }
            unread.append(more)
        }
    }
}
