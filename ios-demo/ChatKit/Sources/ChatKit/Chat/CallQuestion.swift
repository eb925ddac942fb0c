import Uhlm

/// What the person is asked before a tool is used.
public struct CallQuestion: Sendable, Equatable, Identifiable {
    /// The call.
    public let call: Call
    /// Whether what the tool answers may be sent to the server.
    public let mayBeSent: Bool

    /// That of the call.
    public var id: String { call.id }

    init(_ call: ToolCall, mayBeSent: Bool) {
        self.call = Call(at: 0, round: 0, id: call.id, name: call.name, arguments: call.arguments)
        self.mayBeSent = mayBeSent
    }
}
