package dev.uhlm

/**
 * Sends log lines of at least [level] to [write], for the life of the process: this library's and llama.cpp's, without any
 * text of the person. [write] gets the level, the module a line comes from and the line, on a thread that does nothing else;
 * an exception of it costs that line.
 *
 * @return whether this was the first call in this process. Only that one counts.
 */
public fun installLogSink(
    level: LogLevel = LogLevel.INFO,
    write: (level: LogLevel, target: String, line: String) -> Unit,
): Boolean = installLogSink(level, GuardedSink(write))

/** An exception must not end the thread that all later lines come from. */
internal class GuardedSink(private val write: (LogLevel, String, String) -> Unit) : LogSink {
    override fun log(level: LogLevel, target: String, line: String) {
        try {
            write(level, target, line)
        } catch (_: Exception) {
            // There is nowhere to log that logging failed.
        }
    }
}
