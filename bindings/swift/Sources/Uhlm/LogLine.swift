/// One line of the library's log: its own and llama.cpp's, without any text of the person.
public struct LogLine: Sendable, Equatable {
    /// How important it is.
    public let level: LogLevel
    /// The module it comes from.
    public let target: String
    /// What is said.
    public let text: String

    /// A line with its parts.
    public init(level: LogLevel, target: String, text: String) {
        self.level = level
        self.target = target
        self.text = text
    }
}

/// Sends log lines of at least `level` to a closure, for the life of the process.
///
/// - Parameters:
///   - level: The least important level that is sent.
///   - sink: Takes the lines, on one thread of the library's own that neither decodes nor talks to the network.
/// - Returns: Whether this was the first call in this process. Only the first counts.
@discardableResult
public func installLogSink(level: LogLevel, _ sink: @escaping @Sendable (LogLine) -> Void) -> Bool {
    installLogSink(level: level, sink: ClosureLogSink(sink))
}

final class ClosureLogSink: LogSink {
    private let take: @Sendable (LogLine) -> Void

    init(_ take: @escaping @Sendable (LogLine) -> Void) {
        self.take = take
    }

    func log(level: LogLevel, target: String, line: String) {
        take(LogLine(level: level, target: target, text: line))
    }
}
