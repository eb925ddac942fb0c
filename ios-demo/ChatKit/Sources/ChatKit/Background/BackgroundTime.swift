import Foundation

/// Time that the system gives an app that is not in front.
@MainActor
public protocol BackgroundTime: AnyObject {
    /// Asks for time, as long as the app is in front; false where the system gives none. `expired` is called once, when
    /// the time is over.
    func begin(_ title: String, expired: @escaping @MainActor () -> Void) -> Bool

    /// Tells how far it is: the system ends first what does not move.
    func moved(_ title: String, done: Int, of total: Int)

    /// Gives the time back. Nothing happens where there is none.
    func end(isDone: Bool)
}

/// What the system shows when the app is not in front.
@MainActor
public protocol Notices: AnyObject {
    /// Asks whether notices may be shown; `quietly` asks nobody, and then they only stand in the list.
    func ask(quietly: Bool)

    /// Shows a notice, in the place of an earlier one of the same conversation.
    func show(_ notice: Notice)

    /// Takes all notices away.
    func clear()
}

/// A notice about a conversation.
public struct Notice: Sendable, Equatable {
    /// The conversation, which a tap opens.
    public let conversation: UUID
    /// What happened.
    public let title: String
    /// Text of a reply that is done, where the person wants to see it there; nil else.
    public let text: String?

    /// What is said of a reply that has ended; nil where the person stopped it, or wants to be told nothing.
    init?(_ conversation: Conversation, ranOut: Bool, settings: ChatSettings) {
        guard settings.noticeDone, let reply = conversation.turns.last?.reply else { return nil }
        let isDone: Bool
        switch reply.end {
        case .complete, .tooLong, .contextFull: isDone = true
        case .failed, nil: isDone = false
        case .stopped where ranOut: isDone = false
        case .stopped: return nil
        }
        self.conversation = conversation.id
        title = isDone ? say("notice.done") : say("notice.failed")
        let words = reply.words.trimmingCharacters(in: .whitespacesAndNewlines)
        text = settings.noticeText && isDone && !words.isEmpty ? String(words.prefix(Self.longestText)) : nil
    }

    /// As much as a notice may have, in characters; the system shows less.
    private static let longestText = 500
}

/// A system that gives no time and shows nothing: previews, and Linux.
public final class NoNotices: Notices {
    /// Shows nothing.
    public init() {}
    /// Asks nobody.
    public func ask(quietly: Bool) {}
    /// Shows nothing.
    public func show(_ notice: Notice) {}
    /// Takes nothing away.
    public func clear() {}
}
