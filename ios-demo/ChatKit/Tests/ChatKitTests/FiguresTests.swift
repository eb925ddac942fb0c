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
        XCTAssertEqual(line.parts, ["10 tokens/s", "asked about 50 %", "1.2 kB exchanged"])
    }

    func test_a_finished_line_says_what_was_saved_and_across_what() throws {
        func parts(_ more: String) throws -> [String] {
            let file = "{\"tokens\": 40, \"tokensPerSecond\": 12, \"bytes\": 1801, \"saved\": 0.75\(more)}"
            return LiveLine(try JSONDecoder().decode(ReplyCost.self, from: Data(file.utf8))).parts
        }
        let saved = ["12 tokens/s", "1.8 kB exchanged", "75 % of the large model's work saved"]
        // Files of earlier versions do not say whether there was a bridge.
        XCTAssertEqual(try parts(""), saved)
        XCTAssertEqual(try parts(", \"isBridged\": true"), saved + ["model of another family"])
        let handedOff = ", \"isBridged\": true, \"isHandedOff\": true"
        XCTAssertEqual(try parts(handedOff), saved + ["written by a chat service"])
    }

    func test_figures_are_rounded_to_what_one_can_tell_apart() {
        XCTAssertEqual([37.4, 9.96, 9.84, 99.7].map(\.rounded1), ["37", "10", "9.8", "100"])
        XCTAssertEqual([0.001, 0.0512, 0.0961, 0.0984, 0.4762].map(\.milliseconds), [0, 50, 95, 100, 480])
    }

    func test_corrections_are_told_from_what_the_server_writes_by_itself() {
        var corrections = Corrections()
        XCTAssertFalse(corrections.takes("The", .target))
        corrections.rolledBack()
        XCTAssertTrue(corrections.takes(" dog", .target))
        XCTAssertTrue(corrections.takes("gy", .target))
        XCTAssertFalse(corrections.takes(" sat", .target))
        XCTAssertFalse(corrections.takes("s", .target))
        corrections.rolledBack()
        XCTAssertFalse(corrections.takes(" down", .verified))
        XCTAssertFalse(corrections.takes("er", .target))
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
        // Nobody is told what they know: the device alone is what was chosen.
        XCTAssertNil(banner(.offline))
        settings.endpoint = "https://example.org"
        XCTAssertNil(banner(.online))
        XCTAssertEqual(banner(.degraded), .unsteady)
        XCTAssertEqual(banner(.offline), .serverAway)
        XCTAssertEqual(banner(.offline, cause: .unreachable), .serverAway)
        for link in [LinkState.degraded, .offline] { XCTAssertEqual(banner(link, cause: .busy), .serverBusy) }
        XCTAssertEqual(
            Banner.serverBusy.text(settings),
            "The server is busy. This device goes on alone; its words are not checked.")
        XCTAssertEqual(banner(.online, false), .noNetwork)
        XCTAssertTrue(Banner.noNetwork.text(settings).contains("not checked"))
        settings.whenOffline = .wait
        XCTAssertTrue(Banner.serverAway.text(settings).contains("wait"))
        settings.mode = .deviceOnly
        XCTAssertNil(banner(.offline, false))
    }
}
