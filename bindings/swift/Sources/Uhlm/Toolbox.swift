/// A tool that a model may call, with what runs it.
public struct Tool: Sendable {
    /// What the model is told of the tool.
    public let definition: ToolDefinition
    /// Runs the tool. Its argument is a JSON object as the model wrote it, which need not keep to the schema; its
    /// result is text that the model reads.
    public let run: @Sendable (_ arguments: String) async throws -> String

    /// Makes a tool.
    ///
    /// - Parameters:
    ///   - name: The name by which the model calls it.
    ///   - description: The purpose of the tool, in words that the model reads.
    ///   - parameters: The JSON schema of its arguments; an empty text for a tool without any.
    ///   - run: Runs the tool.
    public init(
        name: String, description: String, parameters: String = "",
        run: @escaping @Sendable (_ arguments: String) async throws -> String
    ) {
        definition = ToolDefinition(name: name, description: description, parameters: parameters)
        self.run = run
    }
}

/// Tools for the replies of a session, run as soon as the model calls them.
///
/// Give it to the session with ``UhlmSession/setToolRunner(runner:)``, and its ``tools`` to each reply that may use
/// them. The tools of one reply run side by side. A tool that throws ``ToolError`` tells the model its reason. Of
/// everything else that it throws the model only learns that the tool failed: a message might hold what the verifier is
/// not to see.
public final class Toolbox: ToolRunner {
    private let offered: [Tool]
    private let ask: (@Sendable (ToolCall) async throws -> Bool)?

    /// Makes a box of tools.
    ///
    /// - Parameters:
    ///   - offered: The tools.
    ///   - ask: Asks the person whether a call may be run, one call after another; the model is told of a call that may
    ///     not. Left out: every call is run at once.
    public init(_ offered: [Tool], ask: (@Sendable (ToolCall) async throws -> Bool)? = nil) {
        self.offered = offered
        self.ask = ask
    }

    /// The tools as ``GenerationOptions/tools`` takes them.
    public var tools: Tools {
        Tools(definitions: offered.map(\.definition), usage: ask == nil ? .automatic : .ask)
    }

    public func allows(call: ToolCall) async throws -> Bool {
        try await guarded { try await ask?(call) ?? true }
    }

    public func run(call: ToolCall) async throws -> String {
        try await guarded {
            guard let tool = offered.first(where: { $0.definition.name == call.name }) else {
                throw ToolError.Failed(reason: "there is no tool '\(call.name)'")
            }
            return try await tool.run(call.arguments)
        }
    }

    private func guarded<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let error as ToolError {
            throw error
        } catch {
            throw ToolError.Failed(reason: "the tool failed")
        }
    }
}
