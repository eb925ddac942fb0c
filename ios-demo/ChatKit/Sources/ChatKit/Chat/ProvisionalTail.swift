import Uhlm

/// The text that was drafted and may still be rolled back.
public struct ProvisionalTail: Sendable, Equatable {
    private var scalars = String.UnicodeScalarView()

    /// Nothing is provisional.
    public init() {}

    /// What to show behind the committed text.
    public var text: String { String(scalars) }

    /// Follows one event. Counts code points and not characters: tokens may part what is drawn as one character.
    public mutating func apply(_ event: GenerationEvent) {
        switch event {
        case .provisional(let token): scalars.append(contentsOf: token.text.unicodeScalars)
        case .committed(let token, _): scalars.removeFirst(min(token.text.unicodeScalars.count, scalars.count))
        case .rollback, .finished: scalars.removeAll()
        case .state: break
        }
    }
}
