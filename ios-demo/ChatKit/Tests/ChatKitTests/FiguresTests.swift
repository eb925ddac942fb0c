import Uhlm
import XCTest

@testable import ChatKit

final class FiguresTests: XCTestCase {
    private func token(_ text: String) -> TokenText { TokenText(id: 1, text: text, uncertainty: nil) }

    func test_the_tail_follows_the_events_also_inside_of_characters() {
        var tail = ProvisionalTail()
        tail.apply(.provisional(token: token("👩")))
        tail.apply(.provisional(token: token("\u{200D}👧")))
        tail.apply(.provisional(token: token(" e")))
        tail.apply(.provisional(token: token("\u{301}")))
        tail.apply(.committed(token: token("👩"), origin: .verified))
        XCTAssertEqual(Array(tail.text.unicodeScalars), Array("\u{200D}👧 e\u{301}".unicodeScalars))
        tail.apply(.committed(token: token("\u{200D}👧"), origin: .verified))
        tail.apply(.committed(token: token(" e"), origin: .verified))
        XCTAssertEqual(Array(tail.text.unicodeScalars), ["\u{301}"])
        tail.apply(.rollback(tokens: 1))
        XCTAssertEqual(tail.text, "")
        tail.apply(.committed(token: token("other"), origin: .target))
        XCTAssertEqual(tail.text, "")
    }

    func test_the_live_line_counts_what_was_asked() throws {
        var line = LiveLine()
        XCTAssertEqual(line.parts, [])
        line.count(.draft, after: 0.1)
        line.count(.verified, after: 0.2)
        line.countRollback()
        line.count(.target, after: 0.3)
        line.count(.target, after: 0.5)
        line.count(.unverified, after: 0.5)
        XCTAssertEqual(try XCTUnwrap(line.tokensPerSecond), 10, accuracy: 1e-9)
        XCTAssertEqual(line.shareAsked, 0.5)
        line.sent(1234)
        XCTAssertEqual(line.parts.map(\.text), ["10.0 tok/s", "50 % asked", "1.2 kB"])
    }

    func test_bytes_have_the_unit_that_fits() {
        let sizes: [UInt64] = [0, 999, 1000, 9_949, 9_951, 999_499, 999_500, 639_446_688, 12_000_000_000]
        XCTAssertEqual(
            sizes.map(\.inBytes),
            ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "639 MB", "12 GB"])
    }

    func test_the_banner_says_what_is_different() {
        var settings = ChatSettings()
        func banner(_ link: LinkState, _ network: Bool = true, cause: LinkCause? = nil) -> Banner? {
            Banner.current(link: link, cause: cause, hasNetwork: network, settings: settings)
        }
        XCTAssertEqual(banner(.online), .noServer)
        settings.endpoint = "https://example.org"
        XCTAssertNil(banner(.online))
        XCTAssertEqual(banner(.degraded), .unsteady)
        XCTAssertEqual(banner(.offline), .serverAway)
        XCTAssertEqual(banner(.offline, cause: .unreachable), .serverAway)
        for link in [LinkState.degraded, .offline] { XCTAssertEqual(banner(link, cause: .busy), .serverBusy) }
        XCTAssertEqual(
            Banner.serverBusy.text(settings),
            "The server is busy. The device goes on alone; its words are not checked.")
        XCTAssertEqual(banner(.online, false), .noNetwork)
        XCTAssertTrue(Banner.noNetwork.text(settings).contains("not checked"))
        settings.whenOffline = .wait
        XCTAssertTrue(Banner.serverAway.text(settings).contains("wait"))
        settings.mode = .deviceOnly
        XCTAssertNil(banner(.offline, false))
    }
}
