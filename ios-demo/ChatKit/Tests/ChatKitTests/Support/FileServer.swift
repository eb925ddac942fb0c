import Foundation
import XCTest

/// One file over HTTPS on loopback, by `openssl s_server`, whose certificate is made for it. Ends with the last
/// reference.
final class FileServer {
    let url: String
    /// SHA-256 of its certificate.
    let fingerprint: String
    private let folder: Folder
    private let process = Process()

    /// Skips the test where there is no `openssl`.
    init(_ content: Data, as name: String) throws {
        folder = try Folder()
        let made = try Self.openssl(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out",
                "cert.pem",
            ],
            in: folder.url)
        guard made.status == 0 else { throw XCTSkip("openssl makes no certificate") }
        let line = try Self.openssl(["x509", "-in", "cert.pem", "-noout", "-fingerprint", "-sha256"], in: folder.url)
            .text
        fingerprint = line.split(separator: "=").last.map { $0.filter(\.isHexDigit).lowercased() } ?? ""
        // The server sends the file as it is, head and all.
        let head = "HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\nConnection: close\r\n\r\n"
        try (Data(head.utf8) + content).write(to: folder.url.appendingPathComponent(name))
        let output = Pipe()
        process.executableURL = Self.program
        process.arguments = ["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-HTTP"]
        process.currentDirectoryURL = folder.url
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let lines = Lines(output.fileHandleForReading)
        while let line = lines.next() {
            if line.hasPrefix("ACCEPT"), let port = line.split(separator: ":").last {
                url = "https://127.0.0.1:\(port)"
                return
            }
        }
        throw Fixture.Failure(what: "openssl s_server does not listen")
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    private static let program = URL(fileURLWithPath: "/usr/bin/openssl")

    private static func openssl(_ words: [String], in folder: URL) throws -> (status: Int32, text: String) {
        guard FileManager.default.isExecutableFile(atPath: program.path) else { throw XCTSkip("there is no openssl") }
        let process = Process()
        let output = Pipe()
        process.executableURL = program
        process.arguments = words
        process.currentDirectoryURL = folder
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}
