import ChatKit
import SwiftUI

/// A reply: committed text tinted by origin, what may be rolled back lighter behind it, and the figures.
struct ReplyView: View {
    let reply: Reply
    let tail: String
    let line: LiveLine?
    let isWriting: Bool
    let tints: Bool

    var body: some View {
        VStack(alignment: .leading, spacing: 6) {
            if reply.runs.isEmpty, tail.isEmpty, isWriting {
                ProgressView().accessibilityLabel("The reply begins")
            } else {
                Text(text).textSelection(.enabled)
                    // VoiceOver reads what stands; what may be taken back would be read in vain.
                    .accessibilityLabel(spoken)
                    .accessibilityAddTraits(isWriting ? .updatesFrequently : [])
            }
            if let note { Label(note.text, systemImage: note.symbol).font(.caption).foregroundStyle(.secondary) }
            if let line, !line.parts.isEmpty { FiguresView(line: line) }
        }
        .frame(maxWidth: .infinity, alignment: .leading)
    }

    private var text: AttributedString {
        var whole = AttributedString()
        for run in reply.runs {
            var piece = AttributedString(run.text)
            if tints { piece.backgroundColor = run.origin.color.opacity(0.22) }
            // Not by colour alone.
            if tints, run.origin == .unverified { piece.underlineStyle = Text.LineStyle(pattern: .dot) }
            whole += piece
        }
        var piece = AttributedString(tail)
        piece.foregroundColor = Color.secondary.opacity(0.6)
        return whole + piece
    }

    private var spoken: String {
        let unverified = reply.runs.contains { $0.origin == .unverified }
        return reply.text + (unverified ? ". Parts of it were not checked." : "")
    }

    private var note: (text: String, symbol: String)? {
        if isWriting { return nil }
        switch reply.end {
        case .complete: return nil
        case .tooLong: return ("Cut at the longest reply of the settings", "scissors")
        case .contextFull: return ("The model's memory of this conversation is full", "tray.full")
        case .stopped: return ("Stopped", "stop.circle")
        case .failed: return ("Not finished", "exclamationmark.circle")
        case nil: return ("Interrupted", "bolt.slash")
        }
    }
}

/// `21.3 tok/s · 34 % asked · 5.1 kB · 48 ms · 61 % saved`
private struct FiguresView: View {
    let line: LiveLine

    var body: some View {
        Text(line.parts.map(\.text).joined(separator: " · "))
            .font(.caption)
            .monospacedDigit()
            .foregroundStyle(.secondary)
            .accessibilityLabel(line.parts.map(\.spoken).joined(separator: ", "))
    }
}
