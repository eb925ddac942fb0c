import Foundation

/// What the driver needs of the fixture's first line.
struct Fixture: Decodable {
    let draft: String
    let heavy: String
    let questions: [String]

    static func read(_ path: String) throws -> Fixture {
        try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }
}
