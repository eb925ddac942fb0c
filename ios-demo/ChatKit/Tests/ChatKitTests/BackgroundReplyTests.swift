import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class BackgroundReplyTests: XCTestCase, @unchecked Sendable {
    @MainActor
    func test_a_reply_goes_on_in_the_background_and_says_that_it_is_done() async throws {
        let app = try await App()
        let chat = try app.chat
        chat.input = try Fixture.shared.ready.questions[1]
        chat.send()
        XCTAssertEqual(app.time.begun, [say("notice.writing")])
        XCTAssertEqual(app.notices.asked, [true])
        app.model.wentToBackground()
        await chat.settled()
        let reply = try XCTUnwrap(chat.conversation.turns.last).reply
        XCTAssertEqual(reply.end, .complete)
        XCTAssertEqual(app.notices.shown.map(\.title), [say("notice.done")])
        XCTAssertEqual(app.notices.shown.map(\.conversation), [chat.conversation.id])
        // Nothing of what was said, unless the person chose so.
        XCTAssertEqual(app.notices.shown.map(\.text), [nil])
        XCTAssertEqual(app.time.ended, [true])
        XCTAssertEqual(app.model.loader.state, .none)
        app.model.becameActive()
        XCTAssertEqual(app.notices.shown, [])
    }

    @MainActor
    func test_a_reply_that_runs_out_of_time_is_stopped_and_kept() async throws {
        // The reply of the demo model could be written to its end before it is stopped; this one takes its time.
        let app = try await App(try Fixture.shared.ready.heavy)
        app.model.preferences.settings.noticeText = true
        let chat = try await app.catchReply()
        app.model.wentToBackground()
        app.time.expire()
        // Not before the reply is kept.
        XCTAssertEqual(app.time.ended, [])
        await chat.settled()
        XCTAssertEqual(app.time.ended, [false])
        let reply = try await app.stored().turns.last?.reply
        XCTAssertEqual(reply?.end, .stopped)
        XCTAssertEqual(reply?.text.isEmpty, false)
        XCTAssertTrue(chat.canRetry)
        XCTAssertEqual(app.notices.shown.map(\.title), [say("notice.failed")])
        app.model.becameActive()
        chat.retry()
        XCTAssertEqual(app.time.begun.count, 2)
        chat.stop()
        await chat.settled()
    }

    @MainActor
    func test_time_that_ends_stops_nothing_while_there_is_other_time_or_somebody_looks() async {
        let (short, long, notices) = (SetTime(), SetTime(), KeptNotices())
        let replies = BackgroundReplies(times: [short, long], notices: notices)
        var stopped: [UUID] = []
        replies.stop = { stopped += $0 }
        let (one, two) = (Conversation(), Conversation())
        let settings = ChatSettings()
        replies.began(one.id, settings: settings)
        replies.began(two.id, settings: settings)
        replies.moved(3, of: 10)
        XCTAssertEqual([short.begun.count, long.begun.count, long.done], [1, 1, 3])
        replies.wentToBack()
        short.expire()
        XCTAssertEqual(short.ended, [false])
        XCTAssertEqual(stopped, [])
        long.expire()
        XCTAssertEqual(Set(stopped), [one.id, two.id])
        XCTAssertEqual(long.ended, [])
        replies.ended(one, settings: settings)
        XCTAssertEqual(long.ended, [])
        replies.ended(two, settings: settings)
        XCTAssertEqual(long.ended, [false])

        // In front nothing is stopped; who then leaves has no time left.
        replies.cameToFront()
        stopped = []
        replies.began(one.id, settings: settings)
        short.expire()
        long.expire()
        XCTAssertEqual(stopped, [])
        replies.wentToBack()
        XCTAssertEqual(stopped, [one.id])
    }

    @MainActor
    func test_who_wants_no_notices_gets_none_and_who_stopped_a_reply_knows_it() async {
        var conversation = Conversation()
        conversation.apply(.question(id: UUID(), asked: Date(), text: "What?"))
        let words = String(repeating: "word ", count: 100)
        conversation.apply(.piece(TextRun(text: words, origin: .draft, corrected: false)))
        var settings = ChatSettings()
        func notice(_ end: ReplyEnd?, ranOut: Bool = false) -> Notice? {
            var ended = conversation
            if let end { ended.apply(.end(end, nil)) }
            return Notice(ended, ranOut: ranOut, settings: settings)
        }
        XCTAssertEqual(notice(.complete)?.title, say("notice.done"))
        XCTAssertEqual(notice(.tooLong)?.title, say("notice.done"))
        XCTAssertEqual(notice(.failed)?.title, say("notice.failed"))
        XCTAssertEqual(notice(.stopped, ranOut: true)?.title, say("notice.failed"))
        XCTAssertNil(notice(.stopped))
        XCTAssertNil(notice(.complete)?.text)
        settings.noticeText = true
        XCTAssertEqual(notice(.complete)?.text?.count, 499)
        XCTAssertNil(notice(.failed)?.text)
        settings.noticeDone = false
        XCTAssertNil(notice(.complete))
        XCTAssertNil(Notice(Conversation(), ranOut: false, settings: ChatSettings()))
    }
}
