package dev.uhlm

/**
 * Sends log lines of at least [level] to [write], for the life of the process: those of this library and of llama.cpp,
 * without any text of the person.
 *
 * @param level the least important level that is sent.
 * @param write takes the level, the module that a line comes from, and the line, on a thread that does nothing else. If
 * it throws, the line is lost.
 * @return true if this was the first call in this process. Only the first call counts.
 */
public fun installLogSink(
    level: LogLevel = LogLevel.INFO,
    write: (level: LogLevel, target: String, line: String) -> Unit,
): Boolean = installLogSink(level, GuardedSink(write))

/** Keeps exceptions with the app: the library would drop the line, too, but be given what they say. */
internal class GuardedSink(private val write: (LogLevel, String, String) -> Unit) : LogSink {
    override fun log(level: LogLevel, target: String, line: String) {
        try {
            write(level, target, line)
        } catch (_: Exception) {
            // There is nowhere to log that logging failed.
        }
    }
}
