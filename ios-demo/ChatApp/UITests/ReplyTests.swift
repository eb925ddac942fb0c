import XCTest

/// The app as a person has it in their hand, on the pair that it brings and with nothing set.
final class ReplyTests: XCTestCase {
    @MainActor
    func test_a_question_gets_a_reply_that_the_device_writes_alone() {
        let app = XCUIApplication()
        app.launch()
        let message = app.descendants(matching: .any).matching(identifier: "message").firstMatch
        XCTAssertTrue(message.waitForExistence(timeout: 30))
        message.tap()
        message.typeText("What is 347 + 285?")
        app.buttons["send"].tap()
        // It is there once the reply has ended. The first one waits until the model is loaded.
        XCTAssertTrue(app.buttons["again"].waitForExistence(timeout: 120))
        XCTAssertTrue(app.descendants(matching: .any).matching(identifier: "reply").firstMatch.exists)
    }
}
