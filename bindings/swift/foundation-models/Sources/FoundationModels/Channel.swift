import Foundation

/// The framework's is an asynchronous sequence; this one keeps what it was sent for a test to look at.
public struct LanguageModelExecutorGenerationChannel: Sendable {
    public struct Event: Sendable, Equatable {
        public let entryID: String?
        /// Not the framework's, like the next one: for tests.
        public let response: Response.Action?
        public let toolCalls: ToolCalls.Action?

        public static func response(entryID: String? = nil, action: Response.Action) -> Event {
            Event(entryID: entryID, response: action, toolCalls: nil)
        }

        public static func toolCalls(entryID: String? = nil, action: ToolCalls.Action) -> Event {
            Event(entryID: entryID, response: nil, toolCalls: action)
        }
    }

    public struct Response: Sendable {
        public struct Action: Sendable, Equatable {
            public var text: String?
            public var tokenCount: Int?
            public var usage: Usage?

            public static func appendText(_ text: String, segmentID: String? = nil, tokenCount: Int) -> Action {
                Action(text: text, tokenCount: tokenCount)
            }

            public static func updateUsage(
                input: Usage.Input, output: Usage.Output,
                metadata: [String: any Sendable & Codable & Equatable] = [:]
            ) -> Action {
                Action(usage: Usage(input: input, output: output))
            }
        }
    }

    public struct ToolCalls: Sendable {
        public struct Action: Sendable, Equatable {
            public var call: ToolCall?
            public var usage: Usage?

            public static func toolCall(id: String, name: String, action: ToolCall.Action) -> Action {
                Action(call: ToolCall(id: id, name: name, action: action))
            }

            public static func updateUsage(
                input: Usage.Input, output: Usage.Output,
                metadata: [String: any Sendable & Codable & Equatable] = [:]
            ) -> Action {
                Action(usage: Usage(input: input, output: output))
            }
        }

        public struct ToolCall: Sendable, Equatable {
            public struct Action: Sendable, Equatable {
                public let arguments: String
                public let tokenCount: Int

                public static func appendArguments(_ content: String, tokenCount: Int) -> Action {
                    Action(arguments: content, tokenCount: tokenCount)
                }
            }

            public let id: String
            public let name: String
            public let action: Action
        }
    }

    public struct Usage: Sendable, Equatable {
        public var input: Input
        public var output: Output

        public struct Input: Sendable, Equatable {
            public var totalTokenCount: Int
            public var cachedTokenCount: Int
            public init(totalTokenCount: Int, cachedTokenCount: Int) {
                self.totalTokenCount = totalTokenCount
                self.cachedTokenCount = cachedTokenCount
            }
        }

        public struct Output: Sendable, Equatable {
            public var totalTokenCount: Int
            public var reasoningTokenCount: Int
            public init(totalTokenCount: Int, reasoningTokenCount: Int) {
                self.totalTokenCount = totalTokenCount
                self.reasoningTokenCount = reasoningTokenCount
            }
        }
    }

    private actor Sent {
        var events: [Event] = []
        func append(_ event: Event) { events.append(event) }
    }

    private let sent = Sent()
    public init() {}
    public func send(_ event: Event) async { await sent.append(event) }

    /// Not the framework's: for tests.
    public var events: [Event] { get async { await sent.events } }
}
