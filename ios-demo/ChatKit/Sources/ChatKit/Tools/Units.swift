import Foundation

/// Converts an amount into another unit of the same kind, exactly, and rounds the result to ten significant digits. The
/// Android app knows the same units.
///
/// - Returns: The result with its unit: "8.04672 km".
/// - Throws: ``CannotCalculate`` where a unit is not known, the two are of different kinds, or the amount cannot be.
func convert(_ value: String, from: String, to: String) throws -> String {
    let (source, target) = (try MeasuringUnit.called(from), try MeasuringUnit.called(to))
    if source.kind != target.kind {
        let kinds = (source.kind.rawValue, target.kind.rawValue)
        throw CannotCalculate("\(source.symbol) is a \(kinds.0) and \(target.symbol) is a \(kinds.1)")
    }
    let amount = try Fraction(value.trimmingCharacters(in: .whitespacesAndNewlines))
    let base = try (amount + source.zero) * source.size
    if base.isBelowZero, source.kind == .temperature { throw CannotCalculate("that is below the absolute zero") }
    return try (base / target.size - target.zero).decimal(10).text + " \(target.symbol)"
}

/// A unit.
struct MeasuringUnit: Sendable {
    enum Kind: String {
        case length, mass, temperature
    }

    let kind: Kind
    let symbol: String
    /// Its size in metres, grams or kelvins.
    let size: Fraction
    /// How many of it its zero is above the kind's own.
    let zero: Fraction
    /// In lower case and in the singular; a plural that ends in `s` is known without being named.
    private let names: [String]

    /// The unit of a symbol or a name.
    static func called(_ name: String) throws -> MeasuringUnit {
        var plain = name.trimmingCharacters(in: .whitespacesAndNewlines).lowercased()
        for prefix in ["degrees ", "degree ", "°"] where plain.hasPrefix(prefix) { plain.removeFirst(prefix.count) }
        let singular = plain.count > 2 && plain.hasSuffix("s") ? String(plain.dropLast()) : plain
        guard let unit = all.first(where: { $0.isCalled(plain) }) ?? all.first(where: { $0.isCalled(singular) }) else {
            let known = all.map(\.symbol).joined(separator: ", ")
            throw CannotCalculate("'\(name)' is no unit that is known; these are: \(known)")
        }
        return unit
    }

    static let all = [
        length("mm", Fraction(1, 1000), "millimetre", "millimeter"),
        length("cm", Fraction(1, 100), "centimetre", "centimeter"),
        length("m", Fraction(1), "metre", "meter"),
        length("km", Fraction(1000), "kilometre", "kilometer"),
        length("in", Fraction(254, 10_000), "inch", "inches", "\""),
        length("ft", Fraction(3048, 10_000), "foot", "feet", "'"),
        length("yd", Fraction(9144, 10_000), "yard"),
        length("mi", Fraction(1_609_344, 1000), "mile"),
        length("nmi", Fraction(1852), "nautical mile"),
        mass("mg", Fraction(1, 1000), "milligram"),
        mass("g", Fraction(1), "gram"),
        mass("kg", Fraction(1000), "kilogram", "kilo"),
        mass("t", Fraction(1_000_000), "tonne", "metric ton"),
        mass("oz", Fraction(28_349_523_125, 1_000_000_000), "ounce"),
        mass("lb", Fraction(45_359_237, 100_000), "pound", "lbs"),
        mass("st", Fraction(635_029_318, 100_000), "stone"),
        temperature("°C", Fraction(1), zero: Fraction(27_315, 100), "c", "celsius", "centigrade"),
        temperature("°F", Fraction(5, 9), zero: Fraction(45_967, 100), "f", "fahrenheit"),
        temperature("K", Fraction(1), zero: Fraction(0), "kelvin"),
    ]

    private static func length(_ symbol: String, _ metres: Fraction, _ names: String...) -> Self {
        Self(kind: .length, symbol: symbol, size: metres, zero: Fraction(0), names: names)
    }

    private static func mass(_ symbol: String, _ grams: Fraction, _ names: String...) -> Self {
        Self(kind: .mass, symbol: symbol, size: grams, zero: Fraction(0), names: names)
    }

    private static func temperature(
        _ symbol: String, _ kelvins: Fraction, zero: Fraction, _ names: String...
    ) -> Self {
        Self(kind: .temperature, symbol: symbol, size: kelvins, zero: zero, names: names)
    }

    private func isCalled(_ name: String) -> Bool {
        name == symbol.lowercased() || names.contains(name)
    }
}
