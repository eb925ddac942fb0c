import Foundation

/// A reply that waits for the person's word on a call of a tool, and the conversation that it is in.
public struct WaitingCall: Sendable, Equatable, Identifiable {
    /// The conversation's.
    public let id: UUID
    /// What is said of it, with the conversation's title.
    public let text: String

    init(of conversation: Conversation) {
        id = conversation.id
        text = say("tools.elsewhere", conversation.title)
    }
}
