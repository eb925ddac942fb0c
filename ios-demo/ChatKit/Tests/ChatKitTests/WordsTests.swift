import Foundation
import XCTest

@testable import ChatKit

final class WordsTests: XCTestCase {
    private let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../..").standardizedFileURL

    private func places(_ text: String) -> [String] {
        (0...5).map { "{\($0)}" }.filter(text.contains)
    }

    func test_both_languages_have_the_same_keys_with_the_same_places_to_fill() {
        let (english, german) = (Words(language: "en").table, Words(language: "de").table)
        XCTAssertGreaterThan(english.count, 100)
        XCTAssertEqual(Set(english.keys), Set(german.keys))
        for (key, text) in english { XCTAssertEqual(places(text), places(german[key] ?? ""), key) }
    }

    /// One table for both apps: what one says, the other one says.
    func test_the_android_app_says_the_same() throws {
        for language in Words.languages {
            let file = repository.appendingPathComponent(
                "android-demo/shared/src/main/resources/words/\(language).properties")
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            let pairs = lines.filter { !$0.hasPrefix("#") }.map { $0.split(separator: "=", maxSplits: 1) }
            let table = Dictionary(uniqueKeysWithValues: pairs.map { (String($0[0]), String($0[1])) })
            XCTAssertEqual(table, Words(language: language).table, language)
        }
    }

    func test_every_word_that_is_asked_for_is_there() throws {
        let keys = Set(Words(language: "en").table.keys)
        var asked = 0
        for folder in ["ios-demo/ChatApp/Sources", "ios-demo/ChatKit/Sources"] {
            let files = FileManager.default.enumerator(
                at: repository.appendingPathComponent(folder), includingPropertiesForKeys: nil)
            for case let file as URL in files! where file.pathExtension == "swift" {
                let text = try String(contentsOf: file, encoding: .utf8)
                for call in text.components(separatedBy: "say(\"").dropFirst() {
                    let key = String(call.prefix { $0 != "\"" })
                    if key.contains("\\(") { continue }
                    XCTAssertTrue(keys.contains(key), "\(file.lastPathComponent) asks for \(key)")
                    asked += 1
                }
            }
        }
        XCTAssertGreaterThan(asked, 100)
    }

    /// A problem is said in the person's language.
    func test_no_problem_is_said_in_words_of_the_source() throws {
        var problems = 0
        for folder in ["ios-demo/ChatApp/Sources", "ios-demo/ChatKit/Sources"] {
            let files = FileManager.default.enumerator(
                at: repository.appendingPathComponent(folder), includingPropertiesForKeys: nil)
            for case let file as URL in files! where file.pathExtension == "swift" {
                let text = try String(contentsOf: file, encoding: .utf8)
                // Those of `Problem` call each other.
                let makers = file.lastPathComponent == "Problem.swift" ? ["Problem(", "self.init("] : ["Problem("]
                for call in makers.flatMap({ text.components(separatedBy: $0).dropFirst() }) {
                    let first = call.first { !$0.isWhitespace }
                    XCTAssertNotEqual(first, "\"", "\(file.lastPathComponent): \(call.prefix(40))")
                    problems += 1
                }
            }
        }
        XCTAssertGreaterThan(problems, 20)
    }

    func test_values_take_their_places_and_an_unknown_language_gets_english() {
        XCTAssertEqual(Words.preferred(["ja-JP", "de_AT", "en"]), "de")
        XCTAssertEqual(Words.preferred(["ja-JP"]), "en")
        XCTAssertEqual(Words(language: "en").say("models.of", ["3 MB", "5 MB"]), "3 MB of 5 MB")
        XCTAssertEqual(Words(language: "de").say("done", []), "Fertig")
        XCTAssertEqual(say("no.such.key"), "no.such.key")
    }
}
