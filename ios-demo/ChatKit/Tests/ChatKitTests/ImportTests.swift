import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class ImportTests: XCTestCase, @unchecked Sendable {
    @MainActor
    func test_a_file_that_lies_elsewhere_on_the_device_is_taken() async throws {
        let app = try await App()
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("own.gguf")
        try FileManager.default.copyItem(atPath: Fixture.shared.ready.draft, toPath: file.path)
        await app.model.takeModel(file)
        XCTAssertNil(app.model.problem)
        XCTAssertTrue(app.model.models.installed.map(\.name).contains("own.gguf"))
        // It stays the person's.
        XCTAssertTrue(FileManager.default.fileExists(atPath: file.path))
        await app.model.takeModel(file)
        XCTAssertNil(app.model.problem)
        XCTAssertEqual(app.model.models.installed.map(\.name).filter { $0.hasPrefix("own") }, ["own.gguf"])
        app.model.choose("own.gguf")
        let reply = try await app.say(Fixture.shared.ready.questions[0])
        XCTAssertEqual(reply.end, .complete)
    }

    @MainActor
    func test_another_model_of_the_same_name_gets_a_number() async throws {
        let app = try await App()
        let (one, two) = (try Folder(), try Folder())
        let ready = try Fixture.shared.ready
        for (folder, model) in [(one, ready.draft), (two, ready.parrot)] {
            let file = folder.url.appendingPathComponent("own.gguf")
            try FileManager.default.copyItem(atPath: model, toPath: file.path)
            await app.model.takeModel(file)
            XCTAssertNil(app.model.problem)
        }
        let names = app.model.models.installed.map(\.name).filter { $0.hasPrefix("own") }
        XCTAssertEqual(names, ["own-2.gguf", "own.gguf"])
    }

    @MainActor
    func test_what_is_no_model_is_not_taken_and_leaves_nothing() async throws {
        let app = try await App()
        let folder = try Folder()
        let before = app.model.models.installed.map(\.name)
        func take(_ name: String, _ content: String?) async throws -> Problem? {
            let file = folder.url.appendingPathComponent(name)
            if let content { try Data(content.utf8).write(to: file) }
            await app.model.takeModel(file)
            defer { app.model.dismissProblem() }
            return app.model.problem
        }
        let notes = try await take("notes.txt", "words")
        XCTAssertEqual(notes?.title, say("models.not_gguf"))
        let missing = try await take("missing.gguf", nil)
        XCTAssertEqual(missing?.recovery, .freeStorage)
        let page = try await take("page.gguf", "<html>sign in</html>")
        XCTAssertEqual(page?.recovery, .downloadAgain)
        XCTAssertEqual(app.model.models.installed.map(\.name), before)
        let incoming = app.folder.url.appendingPathComponent("incoming").path
        let left = (try? FileManager.default.contentsOfDirectory(atPath: incoming)) ?? []
        XCTAssertEqual(left, [])
    }

    @MainActor
    func test_the_title_lets_the_model_be_chosen_and_no_reply_is_lost_by_it() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App()
        let folder = try Folder()
        XCTAssertEqual(modelTitle("b-00001-of-00003.gguf"), "b")
        XCTAssertEqual(modelTitle("Qwen3-0.6B-Q8_0.gguf"), "Qwen3-0.6B-Q8_0")
        let other = folder.url.appendingPathComponent("other.gguf")
        try FileManager.default.copyItem(atPath: ready.draft, toPath: other.path)
        await app.model.takeModel(other)
        let used = app.model.settings.model
        XCTAssertEqual(app.model.modelChoices.filter(\.isInUse).map(\.name), [used])
        XCTAssertEqual(app.model.modelChoices.map(\.title), app.model.modelChoices.map { modelTitle($0.name) })
        let chat = try await app.catchReply()
        app.model.choose("other.gguf")
        XCTAssertEqual(app.model.modelChoices.filter(\.isInUse).map(\.title), ["other"])
        XCTAssertTrue(app.model.heading.hasPrefix("other"))
        await chat.settled()
        let reply = try XCTUnwrap(chat.conversation.turns.last).reply
        XCTAssertEqual(reply.end, .complete)
        XCTAssertEqual(reply.cost?.model, modelTitle(used))
        let next = try await app.say(ready.questions[1])
        XCTAssertEqual(next.cost?.model, "other")
    }
}
