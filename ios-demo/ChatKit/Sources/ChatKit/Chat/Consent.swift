import Foundation

/// What the person is asked before anything is sent.
public struct ConsentQuestion: Sendable, Equatable, Identifiable {
    /// Its own.
    public let id = UUID()
    /// The message that waits.
    public let message: String
    /// Where it would go.
    public let endpoint: String
    /// The same, as agreements name it.
    let server: String
    /// Earlier questions and replies that would go along.
    public let earlierTurns: Int
    /// Whether this message alone may be agreed to: the server reads whole conversations, so all before it must have
    /// been.
    public let allowsMessageAlone: Bool
    /// Whether what tools answer, or answered, would be sent, too.
    public let mentionsTools: Bool
    /// Whether the message is in the conversation already.
    let isRepeated: Bool
    /// The place in which it is said, where it takes that of another message.
    let replaces: Int?
}

/// What the person answers.
public enum ConsentAnswer: Sendable, Equatable {
    /// The device answers alone.
    case deviceOnly
    /// This message and its reply may be sent.
    case thisMessage
    /// Everything before, and everything that follows.
    case conversation
    /// The same, in every conversation with this server.
    case server
    /// The message goes back to the input field.
    case cancel
}
