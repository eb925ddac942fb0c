import Uhlm

/// The text that was drafted and may still be rolled back.
public struct ProvisionalTail: Sendable, Equatable {
    /// What to show behind the committed text.
    public private(set) var text = ""

    /// Nothing is provisional.
    public init() {}

    /// Follows one event. Counts code points and not characters: tokens may part what is drawn as one character.
    public mutating func apply(_ event: GenerationEvent) {
        switch event {
        case .provisional(let token):
            text += token.text
        case .committed(let token, _):
            let there = text.unicodeScalars.count
            text.unicodeScalars.removeFirst(min(token.text.unicodeScalars.count, there))
        case .rollback, .finished:
            text = ""
        case .reasoning, .state, .toolCall, .toolResult, .malformedToolCall:
            // A token of the reasoning has no text in the tail.
            break
        }
    }
}
