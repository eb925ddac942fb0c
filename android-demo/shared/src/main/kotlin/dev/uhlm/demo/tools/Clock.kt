package dev.uhlm.demo.tools

import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone

/**
 * Returns the day and the time in a zone: "Sunday, 29 November 2026, 13:05 (Europe/Berlin, UTC+01:00)".
 *
 * @param at milliseconds since 1970.
 * @param zone the zone's name in the IANA database; null for the device's own.
 * @throws CannotCalculate where there is no such zone.
 */
internal fun dayAndTime(at: Long, zone: String?): String {
    val known = if (zone == null) TimeZone.getDefault() else named(zone)
    // java.time is too new for the oldest phones. The words are for the model, which reads English best.
    val format = SimpleDateFormat("EEEE, d MMMM yyyy, HH:mm", Locale.ENGLISH).apply { timeZone = known }
    return "${format.format(Date(at))} (${known.id}, ${offset(known.getOffset(at))})"
}

/** Java takes every name that it does not know for Greenwich's. */
private fun named(zone: String): TimeZone {
    val id = TimeZone.getAvailableIDs().find { it.equals(zone.trim(), ignoreCase = true) }
    return TimeZone.getTimeZone(id ?: throw CannotCalculate("'$zone' is no time zone; Europe/Berlin is one"))
}

private fun offset(millis: Int): String {
    val minutes = Math.abs(millis) / 60_000
    return "UTC" + (if (millis < 0) "-" else "+") + String.format(Locale.ROOT, "%02d:%02d", minutes / 60, minutes % 60)
}
