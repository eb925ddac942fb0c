import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class SpeedTests: XCTestCase, @unchecked Sendable {
    private func cost(
        _ model: String?, _ rate: Double, drafted: Int? = nil, in seconds: Double? = nil, bytes: Int = 0,
        asked: Double? = nil
    ) throws -> ReplyCost {
        var file: [String: Any] = ["tokens": 10, "tokensPerSecond": rate, "bytes": bytes]
        file["model"] = model
        file["drafted"] = drafted
        file["draftingSeconds"] = seconds
        file["shareAsked"] = asked
        return try JSONDecoder().decode(ReplyCost.self, from: JSONSerialization.data(withJSONObject: file))
    }

    func test_each_model_has_the_middle_of_what_was_counted() throws {
        let figures = SpeedFigures.byModel([
            try cost("b", 5),
            try cost("a", 10, drafted: 40, in: 2, bytes: 1000, asked: 0.25),
            try cost("a", 30, drafted: 30, in: 1, bytes: 3000, asked: 0.75),
            try cost("a", 11, drafted: 0, in: 0),
            // Earlier versions did not say who wrote.
            try cost(nil, 99),
        ])
        XCTAssertEqual(figures.map(\.model), ["b", "a"])
        XCTAssertEqual(figures[1].replies, 3)
        XCTAssertEqual(figures[1].reply, 11)
        XCTAssertEqual(figures[1].draft, 25)
        XCTAssertEqual(figures[1].asked, 0.5)
        XCTAssertEqual(figures[1].bytes, 1000)
        XCTAssertEqual(figures[1].title, say("speed.replies", 3))
        XCTAssertEqual(figures[1].rows.map(\.value), ["11 tokens/s", "25 tokens/s", "50 %", "1.0 kB"])
        // What was not counted is not shown.
        XCTAssertEqual(figures[0].title, say("speed.replies.one"))
        XCTAssertEqual(figures[0].rows.map(\.name), [say("speed.reply"), say("speed.bytes")])
        XCTAssertEqual(SpeedFigures.byModel([]), [])
        XCTAssertNil([Double]().middle)
    }

    @MainActor
    func test_the_page_has_what_the_sdk_counted_and_keeps_it_across_a_restart() async throws {
        let ready = try Fixture.shared.ready
        let folder = try Folder()
        let app = try await App(server: ready.server, folder: folder)
        let empty = app.model.speedPage()
        await empty.refresh()
        XCTAssertEqual(empty.models, [])
        XCTAssertEqual(empty.last, [])
        let reply = try await app.say(ready.questions[0], consent: .conversation)
        let cost = try XCTUnwrap(reply.cost)
        XCTAssertEqual(cost.model, modelTitle(app.model.settings.model))
        XCTAssertGreaterThan(try XCTUnwrap(cost.drafted), 0)
        XCTAssertGreaterThan(try XCTUnwrap(cost.draftedPerSecond), 0)
        let later = try await App(server: ready.server, folder: folder)
        let page = later.model.speedPage()
        await page.refresh()
        XCTAssertNil(page.problem)
        XCTAssertEqual(page.models, [SpeedFigures(model: try XCTUnwrap(cost.model), [cost])])
        XCTAssertEqual(page.models[0].rows.count, 4)
        XCTAssertEqual(page.last.map(\.parts), [LiveLine(cost).parts])
        XCTAssertEqual(page.last.map(\.model), [cost.model])
    }

    @MainActor
    func test_a_measurement_is_the_devices_alone_and_leaves_no_conversation() async throws {
        let app = try await App(server: Fixture.shared.ready.server)
        let page = app.model.speedPage()
        await page.measureNow()
        XCTAssertNil(page.problem)
        XCTAssertFalse(page.isMeasuring)
        let measured = try XCTUnwrap(page.measured)
        XCTAssertEqual(measured.title, say("speed.measured", modelTitle(app.model.settings.model)))
        XCTAssertEqual(measured.rows.map(\.name), [say("speed.draft"), say("speed.reply"), say("speed.first")])
        XCTAssertEqual(app.model.conversations, [])
        app.model.choose("")
        await page.measureNow()
        XCTAssertEqual(page.problem?.recovery, .provideModel)
        page.dismissProblem()
        XCTAssertNil(page.problem)
    }
}
