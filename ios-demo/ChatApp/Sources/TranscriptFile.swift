import SwiftUI
import UniformTypeIdentifiers

/// A conversation as a Markdown file for the system's dialog that saves one.
struct TranscriptFile: FileDocument {
    static let type = UTType(filenameExtension: "md", conformingTo: .plainText) ?? .plainText
    static let readableContentTypes = [type]

    let text: String

    init(text: String) {
        self.text = text
    }

    init(configuration: ReadConfiguration) throws {
        text = String(decoding: configuration.file.regularFileContents ?? Data(), as: UTF8.self)
    }

    func fileWrapper(configuration: WriteConfiguration) throws -> FileWrapper {
        FileWrapper(regularFileWithContents: Data(text.utf8))
    }
}
