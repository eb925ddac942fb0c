import Foundation

/// The day and the time in a zone: "Sunday, 29 November 2026, 13:05 (Europe/Berlin, UTC+01:00)".
///
/// - Parameters:
///   - time: The moment.
///   - zone: The zone's name in the IANA database; nil for the device's own.
/// - Throws: ``CannotCalculate`` where there is no such zone.
func dayAndTime(_ time: Date, zone: String?) throws -> String {
    let (name, zone) = try zone.map(timeZone(called:)) ?? (TimeZone.current.identifier, .current)
    let format = DateFormatter()
    // The words are for the model, which reads English best.
    format.locale = Locale(identifier: "en_US_POSIX")
    format.calendar = Calendar(identifier: .gregorian)
    format.timeZone = zone
    format.dateFormat = "EEEE, d MMMM yyyy, HH:mm"
    return "\(format.string(from: time)) (\(name), \(offset(zone.secondsFromGMT(for: time))))"
}

private func timeZone(called name: String) throws -> (name: String, zone: TimeZone) {
    let wanted = name.trimmingCharacters(in: .whitespacesAndNewlines)
    // The system lists places, and knows these two besides.
    let known = TimeZone.knownTimeZoneIdentifiers + ["UTC", "GMT"]
    let found = known.first { $0.caseInsensitiveCompare(wanted) == .orderedSame }
    guard let found, let zone = TimeZone(identifier: found) else {
        throw CannotCalculate("'\(name)' is no time zone; Europe/Berlin is one")
    }
    return (found, zone)
}

private func offset(_ seconds: Int) -> String {
    let minutes = abs(seconds) / 60
    return "UTC" + (seconds < 0 ? "-" : "+") + String(format: "%02d:%02d", minutes / 60, minutes % 60)
}
