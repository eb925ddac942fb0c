// Reads commands on standard input and answers each with one line of JSON: `speed`, `cancel`, `quit`.
// Argument: a file that holds the first line of `uhlm-fixture`.

import Foundation
import Uhlm

func answer(_ value: some Encodable) throws {
    FileHandle.standardOutput.write(try JSONEncoder().encode(value) + Data("\n".utf8))
}

func drive() async throws {
    guard CommandLine.arguments.count == 2 else { throw BenchError.noFixture }
    let fixture = try Fixture.read(CommandLine.arguments[1])
    let draft = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: fixture.draft))
    let heavy = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: fixture.heavy))
    let session = try await heavy.openSession(
        options: SessionOptions(mode: .deviceOnly, sampling: SamplingParams(temperature: 0), threads: 1))
    while let command = readLine() {
        switch command.trimmingCharacters(in: .whitespaces) {
        case "speed":
            try await answer(speed(of: draft, questions: fixture.questions))
        case "steady":
            try await answer(steady(on: session))
        case "cancel":
            try await answer(cancel(on: session))
        case "quit":
            return
        default:
            try answer(["error": "commands: speed, cancel, quit"])
        }
    }
}

do {
    try await drive()
} catch {
    FileHandle.standardError.write(Data("uhlm-bench: \(error)\n".utf8))
    exit(1)
}
