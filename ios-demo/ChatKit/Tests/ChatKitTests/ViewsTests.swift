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
