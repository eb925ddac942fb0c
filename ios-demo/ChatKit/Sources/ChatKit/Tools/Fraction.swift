import Foundation

/// Why there is no result, in words that a model reads.
struct CannotCalculate: Error, Equatable {
    let reason: String

    init(_ reason: String) {
        self.reason = reason
    }

    static let tooLarge = CannotCalculate("the numbers are too large")
}

/// A number that is exact, so that a third of three is one.
struct Fraction: Equatable, Sendable {
    private let isNegative: Bool
    /// Without a common divisor with what is below.
    private let above: WholeNumber
    private let below: WholeNumber

    /// A number of this many binary digits has some three thousand digits: nobody reads it, and a phone is quick with
    /// it.
    private static let maxBits = 10_000
    /// A number with more digits before or after the point is written with an exponent.
    private static let maxZeros = 30

    /// `below` must not be zero.
    init(_ above: UInt64, _ below: UInt64 = 1) {
        let (above, below) = (WholeNumber(above), WholeNumber(below))
        let common = WholeNumber.greatestCommonDivisor(above, below)
        self.init(false, above.divided(by: common).quotient, below.divided(by: common).quotient)
    }

    /// - Throws: ``CannotCalculate`` where `text` is no decimal number, or too large.
    init(_ text: String) throws {
        let number = /([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?/.asciiOnlyDigits()
        guard let parts = text.wholeMatch(of: number)?.output, !parts.2.isEmpty || parts.3?.isEmpty == false else {
            throw CannotCalculate("'\(text)' is no number")
        }
        let decimals = parts.3 ?? ""
        let digits = (parts.2 + decimals).drop { $0 == "0" }
        guard let exponent = Int(parts.4 ?? "0") else { throw CannotCalculate.tooLarge }
        let scale = exponent.subtractingReportingOverflow(decimals.count)
        guard !scale.overflow, scale.partialValue.magnitude <= Self.maxBits / 4, digits.count <= Self.maxBits / 4 else {
            throw CannotCalculate.tooLarge
        }
        let whole = WholeNumber(decimal: digits) ?? WholeNumber(0)
        let ten = WholeNumber(10).power(Int(scale.partialValue.magnitude))
        let isWhole = scale.partialValue >= 0
        self = try Self.reduced(
            parts.1 == "-", isWhole ? whole * ten : whole, isWhole ? WholeNumber(1) : ten)
    }

    private init(_ isNegative: Bool, _ above: WholeNumber, _ below: WholeNumber) {
        self.isNegative = isNegative && !above.isZero
        self.above = above
        self.below = below
    }

    private static func reduced(_ isNegative: Bool, _ above: WholeNumber, _ below: WholeNumber) throws -> Fraction {
        if max(above.bitWidth, below.bitWidth) > maxBits { throw CannotCalculate.tooLarge }
        let common = WholeNumber.greatestCommonDivisor(above, below)
        return Fraction(isNegative, above.divided(by: common).quotient, below.divided(by: common).quotient)
    }

    var isBelowZero: Bool { isNegative }

    static prefix func - (number: Fraction) -> Fraction {
        Fraction(!number.isNegative, number.above, number.below)
    }

    static func + (one: Fraction, other: Fraction) throws -> Fraction {
        let (left, right, below) = (one.above * other.below, other.above * one.below, one.below * other.below)
        if one.isNegative == other.isNegative { return try reduced(one.isNegative, left + right, below) }
        return left < right
            ? try reduced(other.isNegative, right - left, below) : try reduced(one.isNegative, left - right, below)
    }

    static func - (one: Fraction, other: Fraction) throws -> Fraction {
        try one + -other
    }

    static func * (one: Fraction, other: Fraction) throws -> Fraction {
        try reduced(one.isNegative != other.isNegative, one.above * other.above, one.below * other.below)
    }

    /// - Throws: ``CannotCalculate``, also for a division by zero.
    static func / (one: Fraction, other: Fraction) throws -> Fraction {
        if other.above.isZero { throw CannotCalculate("there is a division by zero") }
        return try reduced(one.isNegative != other.isNegative, one.above * other.below, one.below * other.above)
    }

    /// - Throws: ``CannotCalculate`` where the exponent is no whole number, or the power too large.
    func power(_ exponent: Fraction) throws -> Fraction {
        guard exponent.below == WholeNumber(1) else { throw CannotCalculate("an exponent must be a whole number") }
        let width = max(above.bitWidth, below.bitWidth)
        guard let times = exponent.above.int, times.multipliedReportingOverflow(by: width).overflow == false,
            times * width <= Self.maxBits
        else { throw CannotCalculate.tooLarge }
        let power = Fraction(isNegative && times % 2 == 1, above.power(times), below.power(times))
        return exponent.isNegative ? try Fraction(1) / power : power
    }

    /// The number as a decimal with at most `digits` significant digits, rounded to the even one where two are as near,
    /// and whether that is all of it.
    func decimal(_ digits: Int) -> (text: String, isExact: Bool) {
        if above.isZero { return ("0", true) }
        var places = digits - (above.decimal.count - below.decimal.count)
        var (quotient, rest, divisor) = scaled(by: places)
        if quotient.decimal.count > digits {
            places -= 1
            (quotient, rest, divisor) = scaled(by: places)
        }
        let (twice, isExact) = (rest + rest, rest.isZero)
        if divisor < twice || twice == divisor && quotient.isOdd { quotient = quotient + WholeNumber(1) }
        var written = quotient.decimal
        while written.hasSuffix("0") {
            written.removeLast()
            places -= 1
        }
        return ((isNegative ? "-" : "") + Self.written(written, places), isExact)
    }

    /// The quotient of it and a power of ten, and what remains of which divisor.
    private func scaled(by places: Int) -> (WholeNumber, WholeNumber, WholeNumber) {
        let ten = WholeNumber(10).power(abs(places))
        let divisor = places < 0 ? below * ten : below
        let (quotient, remainder) = (places < 0 ? above : above * ten).divided(by: divisor)
        return (quotient, remainder, divisor)
    }

    /// Digits with so many of them behind the point, as people write them, or with an exponent where that were long.
    private static func written(_ digits: String, _ places: Int) -> String {
        let exponent = digits.count - places - 1
        let isPlain = places <= maxZeros && exponent < maxZeros || places >= 0 && exponent >= -6
        if !isPlain {
            let rest = digits.dropFirst()
            let point = rest.isEmpty ? "" : "."
            return "\(digits.prefix(1))\(point)\(rest)E\(exponent < 0 ? "-" : "+")\(abs(exponent))"
        }
        if places <= 0 { return digits + String(repeating: "0", count: -places) }
        let zeros = String(repeating: "0", count: max(0, places + 1 - digits.count))
        let all = zeros + digits
        return "\(all.dropLast(places)).\(all.suffix(places))"
    }
}
