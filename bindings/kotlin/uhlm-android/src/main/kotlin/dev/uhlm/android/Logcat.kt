package dev.uhlm.android

import android.util.Log
import dev.uhlm.LogLevel
import dev.uhlm.installLogSink

/**
 * Sends log lines of at least [level] to logcat under one tag, for the life of the process.
 *
 * @param level the least important lines that are written.
 * @param tag the tag; the module a line comes from is part of the line.
 * @return whether this was the first log sink of this process. Only that one counts.
 */
public fun installLogcatSink(level: LogLevel = LogLevel.INFO, tag: String = "uhlm"): Boolean =
    installLogSink(level) { of, target, line -> Log.println(of.priority, tag, "$target: $line") }

private val LogLevel.priority: Int
    get() = when (this) {
        LogLevel.ERROR -> Log.ERROR
        LogLevel.WARN -> Log.WARN
        LogLevel.INFO -> Log.INFO
        LogLevel.DEBUG -> Log.DEBUG
    }
