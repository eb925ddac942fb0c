import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class CalibrationTests: XCTestCase, @unchecked Sendable {
    @MainActor
    func test_any_model_takes_a_calibration_that_the_person_chose_and_loses_it_again() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(ready.parrot)
        XCTAssertFalse(app.model.isCalibrated)
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("pair.json")
        try FileManager.default.copyItem(atPath: ready.calibration, toPath: file.path)
        app.model.calibrate(by: file)
        XCTAssertNil(app.model.problem)
        XCTAssertTrue(app.model.isCalibrated)
        XCTAssertTrue(app.model.hasOwnCalibration)
        let kept = try XCTUnwrap(app.model.calibrations.file(of: app.model.settings.model))
        XCTAssertEqual(try Data(contentsOf: kept), try Data(contentsOf: file))
        // It is that model's alone, and there after a restart.
        XCTAssertNil(app.model.calibrations.file(of: "other.gguf"))
        let next = try await App(ready.parrot, folder: app.folder)
        XCTAssertTrue(next.model.isCalibrated)
        next.model.removeCalibration()
        XCTAssertFalse(next.model.isCalibrated)
        XCTAssertNil(next.model.problem)
    }

    @MainActor
    func test_one_that_the_person_chose_is_before_the_one_that_came_along() async throws {
        let app = try await App()
        XCTAssertTrue(app.model.isCalibrated)
        XCTAssertFalse(app.model.hasOwnCalibration)
        try await app.say(Fixture.shared.ready.questions[0])
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("own.json")
        try Data("{}".utf8).write(to: file)
        app.model.calibrate(by: file)
        // The session of the open conversation is of before: the next message opens one that reads the file.
        let reply = try await app.say(Fixture.shared.ready.questions[1])
        XCTAssertEqual(reply.end, .failed)
        app.model.removeCalibration()
        XCTAssertTrue(app.model.isCalibrated)
        let chat = try app.chat
        chat.retry()
        await chat.settled()
        XCTAssertEqual(chat.conversation.turns.last?.reply.end, .complete)
    }

    @MainActor
    func test_what_is_no_calibration_is_not_taken() async throws {
        let app = try await App(Fixture.shared.ready.parrot)
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("own.json")
        for content in [nil, "words", "[]", "{\"a\": \"" + String(repeating: "b", count: 1 << 20) + "\"}"] {
            if let content { try Data(content.utf8).write(to: file) }
            app.model.calibrate(by: file)
            XCTAssertEqual(app.model.problem?.title, say("settings.calibration.failed"))
            XCTAssertFalse(app.model.isCalibrated)
            app.model.dismissProblem()
        }
    }
}
