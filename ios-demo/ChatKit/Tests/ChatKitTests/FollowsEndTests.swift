import XCTest

@testable import ChatKit

final class FollowsEndTests: XCTestCase {
    func test_a_list_follows_what_is_written_until_the_person_scrolls_up_and_again_when_they_come_back() {
        var end = FollowsEnd()
        end.moved(height: 500, below: 0)
        // A line more, below the screen, to which the list is scrolled.
        end.moved(height: 520, below: 20)
        XCTAssertTrue(end.follows)
        end.moved(height: 520, below: 0)
        XCTAssertTrue(end.follows)
        // A code block at once.
        end.moved(height: 900, below: 380)
        XCTAssertTrue(end.follows)
        end.moved(height: 900, below: 0)
        // A finger pulls the text down.
        end.moved(height: 900, below: 12)
        XCTAssertFalse(end.follows)
        // What is written meanwhile does not pull it back.
        end.moved(height: 920, below: 32)
        end.moved(height: 940, below: 52)
        end.moved(height: 940, below: 300)
        XCTAssertFalse(end.follows)
        end.moved(height: 940, below: 200)
        XCTAssertFalse(end.follows)
        end.moved(height: 940, below: 40)
        XCTAssertTrue(end.follows)
    }

    func test_a_message_of_the_persons_own_is_followed_from_wherever_they_were() {
        var end = FollowsEnd()
        end.moved(height: 500, below: 0)
        end.moved(height: 500, below: 300)
        XCTAssertFalse(end.follows)
        end.jump()
        XCTAssertTrue(end.follows)
    }
}
