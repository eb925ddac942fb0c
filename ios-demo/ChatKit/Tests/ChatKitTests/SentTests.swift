import XCTest

@testable import ChatKit

final class SentTests: XCTestCase {
    private func entry(tokens: Int) throws -> SentEntry {
        let json = #"{"at": 0, "kind": "advance", "tokens": \#(tokens), "bytes": 17, "answered": true}"#
        return try JSONDecoder().decode(SentEntry.self, from: Data(json.utf8))
    }

    func test_one_token_and_one_request_are_said_otherwise_than_many() throws {
        let (one, many) = (try entry(tokens: 1), try entry(tokens: 21))
        XCTAssertEqual(one.size, say("sent.tokens.one") + " · 17 B")
        XCTAssertEqual(many.size, say("sent.tokens", 21) + " · 17 B")
        XCTAssertEqual(
            SentEntry.total([one]), say("sent.total", say("sent.requests.one"), say("sent.tokens.one"), "17 B"))
        XCTAssertEqual(
            SentEntry.total([one, many]), say("sent.total", say("sent.requests", 2), say("sent.tokens", 22), "34 B"))
    }
}
