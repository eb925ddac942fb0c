/// What was typed in a conversation and not sent.
struct Draft: Sendable, Equatable {
    /// The text.
    let text: String
    /// The place of the message that it would take; nil for a new one.
    let editing: Int?
}
