// Streams replies into a store until it is killed, and prints what is committed, after it was kept: what a test knows
// of a process that had no time to say goodbye. After each line it stands still until it reads one.

import ChatKit
import Foundation
import Uhlm

@MainActor
func run() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4 else {
        FileHandle.standardError.write(Data("usage: ChatKitWriter FOLDER MODEL QUESTION\n".utf8))
        exit(2)
    }
    let folder = URL(fileURLWithPath: arguments[1])
    let place = try AppPlace(folder: folder, bundledModel: URL(fileURLWithPath: arguments[2]))
    let secrets = FileSecrets(folder: folder.appendingPathComponent("secrets"))
    let app = try AppModel(place: place, secrets: secrets, device: QuietDevice())
    await app.start()
    app.startConversation()
    guard let chat = app.chat else { exit(1) }
    say(chat.conversation.id.uuidString)
    while true {
        chat.input = arguments[3]
        chat.send()
        var told = 0
        repeat {
            // No await between the two: what is told is what stands.
            let text = chat.conversation.turns.map(\.reply.text).joined(separator: "\u{1}")
            if text.utf8.count > told {
                told = text.utf8.count
                say(Data(text.utf8).base64EncodedString())
                _ = readLine()
            }
            try await Task.sleep(for: .milliseconds(1))
        } while chat.phase != .idle
        if let problem = chat.problem {
            say("problem: \(problem.title)")
            exit(1)
        }
    }
}

@MainActor
func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}

try await run()
