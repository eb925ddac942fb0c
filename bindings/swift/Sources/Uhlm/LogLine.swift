/// A line of the log of this library or of llama.cpp, without any text of the person.
public struct LogLine: Sendable, Equatable {
    /// Importance of the line.
    public let level: LogLevel
    /// Module that the line comes from.
    public let target: String
    /// Text of the line.
    public let text: String

    /// Makes a line of its parts.
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
/// - Returns: True if this was the first call in this process. Only the first call counts.
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
