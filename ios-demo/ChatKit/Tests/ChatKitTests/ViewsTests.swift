import Foundation
import XCTest

/// SwiftUI is on Apple's systems only; what can be shown elsewhere is that each view is Swift.
final class ViewsTests: XCTestCase {
    func test_every_file_of_the_app_parses() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../../ChatApp").standardizedFileURL
        let files =
            FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?
            .compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" } ?? []
        XCTAssertGreaterThan(files.count, 5)
        let (parses, output) = try parse(files)
        XCTAssertTrue(parses, output)
    }

    /// Both apps have one accent, and what is written on it.
    func test_the_colours_are_those_of_the_android_app() throws {
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../../..").standardizedFileURL
        let palette = try String(
            contentsOf: repository.appendingPathComponent(
                "android-demo/shared/src/main/kotlin/dev/uhlm/demo/ui/Palette.kt"), encoding: .utf8)
        for (asset, name) in [("AccentColor", "primary"), ("OnAccent", "onPrimary")] {
            let file = repository.appendingPathComponent(
                "ios-demo/ChatApp/Resources/Assets.xcassets/\(asset).colorset/Contents.json")
            let colors = try JSONDecoder().decode(ColorSet.self, from: Data(contentsOf: file)).colors
            XCTAssertEqual(colors.map(\.isDark), [false, true])
            for (scheme, color) in zip(["light", "dark"], colors) {
                let start = try XCTUnwrap(palette.range(of: "val \(scheme)Colors = "))
                let line = palette[start.upperBound...].split(separator: "\n").first { $0.contains(" \(name) = ") }
                let hex = "Color(0xFF\(color.color.hex))"
                let said = try XCTUnwrap(line).replacingOccurrences(of: "Color.White", with: "Color(0xFFFFFFFF)")
                XCTAssertTrue(said.contains(hex), "\(said): \(hex)")
            }
        }
    }

    private struct ColorSet: Decodable {
        struct Entry: Decodable {
            struct Appearance: Decodable { let value: String }
            struct Values: Decodable {
                let components: [String: String]
                var hex: String {
                    ["red", "green", "blue"].map { String((components[$0] ?? "").dropFirst(2)) }.joined()
                }
            }
            let color: Values
            let appearances: [Appearance]?
            var isDark: Bool { appearances?.first?.value == "dark" }
        }
        let colors: [Entry]
    }

    func test_a_file_that_is_no_swift_is_noticed() throws {
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("Broken.swift")
        try Data("struct Broken: View { var body: some View { Text(\"a\" } }\n".utf8).write(to: file)
        XCTAssertFalse(try parse([file]).parses)
    }

    private func parse(_ files: [URL]) throws -> (parses: Bool, output: String) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["swiftc", "-frontend", "-parse"] + files.map(\.path)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        // What `env` says where there is no compiler.
        if process.terminationStatus == 127 { throw XCTSkip("there is no swiftc") }
        return (process.terminationStatus == 0, text)
    }
}
