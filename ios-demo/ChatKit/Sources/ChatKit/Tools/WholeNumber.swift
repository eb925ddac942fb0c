/// A whole number that is not negative, of any size: Foundation has none.
struct WholeNumber: Equatable, Comparable, Sendable {
    /// Digits to the base 2^32, the least one first; none above the highest that is not zero.
    private var digits: [UInt32]

    init(_ number: UInt64) {
        self.init(digits: [UInt32(truncatingIfNeeded: number), UInt32(number >> 32)])
    }

    /// Nil where a character is no decimal digit, or there is none.
    init?(decimal: some StringProtocol) {
        guard !decimal.isEmpty else { return nil }
        self.init(0)
        for character in decimal {
            guard character.isASCII, let digit = character.wholeNumberValue else { return nil }
            multiply(by: 10, plus: UInt32(digit))
        }
    }

    private init(digits: [UInt32]) {
        self.digits = digits
        trim()
    }

    var isZero: Bool { digits.isEmpty }
    var isOdd: Bool { digits.first.map { $0 & 1 == 1 } ?? false }

    /// The number of its binary digits.
    var bitWidth: Int { digits.isEmpty ? 0 : digits.count * 32 - digits[digits.count - 1].leadingZeroBitCount }

    /// The number itself; nil where it is larger than an `Int`.
    var int: Int? { bitWidth < 64 ? digits.reversed().reduce(0) { $0 << 32 | Int($1) } : nil }

    /// The number in decimal digits.
    var decimal: String {
        var rest = self
        var parts: [String] = []
        repeat {
            let part = String(rest.divide(by: 1_000_000_000))
            parts.append(rest.isZero ? part : String(repeating: "0", count: 9 - part.count) + part)
        } while !rest.isZero
        return parts.reversed().joined()
    }

    static func < (one: Self, other: Self) -> Bool {
        if one.digits.count != other.digits.count { return one.digits.count < other.digits.count }
        return one.digits.reversed().lexicographicallyPrecedes(other.digits.reversed())
    }

    static func + (one: Self, other: Self) -> Self {
        var (sum, carry) = ([UInt32](), UInt64(0))
        for place in 0..<max(one.digits.count, other.digits.count) {
            carry += one.digit(place) + other.digit(place)
            sum.append(UInt32(truncatingIfNeeded: carry))
            carry >>= 32
        }
        return Self(digits: sum + [UInt32(carry)])
    }

    /// `other` must not be larger than `one`.
    static func - (one: Self, other: Self) -> Self {
        var (rest, borrow) = ([UInt32](), Int64(0))
        for place in 0..<one.digits.count {
            borrow += Int64(one.digit(place)) - Int64(other.digit(place))
            rest.append(UInt32(truncatingIfNeeded: borrow))
            borrow >>= 32
        }
        return Self(digits: rest)
    }

    static func * (one: Self, other: Self) -> Self {
        var product = [UInt32](repeating: 0, count: one.digits.count + other.digits.count)
        for (place, digit) in one.digits.enumerated() {
            var carry = UInt64(0)
            for (offset, factor) in other.digits.enumerated() {
                carry += UInt64(digit) * UInt64(factor) + UInt64(product[place + offset])
                product[place + offset] = UInt32(truncatingIfNeeded: carry)
                carry >>= 32
            }
            product[place + other.digits.count] = UInt32(carry)
        }
        return Self(digits: product)
    }

    func power(_ exponent: Int) -> Self {
        var (power, square, rest) = (Self(1), self, exponent)
        while rest > 0 {
            if rest & 1 == 1 { power = power * square }
            rest >>= 1
            if rest > 0 { square = square * square }
        }
        return power
    }

    /// The quotient and the remainder; `divisor` must not be zero. Knuth's algorithm D.
    func divided(by divisor: Self) -> (quotient: Self, remainder: Self) {
        if self < divisor { return (Self(0), self) }
        if divisor.digits.count == 1 {
            var quotient = self
            let remainder = quotient.divide(by: divisor.digits[0])
            return (quotient, Self(UInt64(remainder)))
        }
        // So that the divisor's first digit is large, and a guess from it at most two too high.
        let shift = divisor.digits[divisor.digits.count - 1].leadingZeroBitCount
        let below = divisor.shifted(shift).digits
        var rest = shifted(shift).digits + [0]
        let (first, second, count) = (UInt64(below[below.count - 1]), UInt64(below[below.count - 2]), below.count)
        var quotient = [UInt32](repeating: 0, count: rest.count - count)
        for place in stride(from: rest.count - count - 1, through: 0, by: -1) {
            let top = UInt64(rest[place + count]) << 32 | UInt64(rest[place + count - 1])
            var (guess, left) = top.quotientAndRemainder(dividingBy: first)
            while guess >> 32 != 0 || guess * second > left << 32 | UInt64(rest[place + count - 2]) {
                (guess, left) = (guess - 1, left + first)
                if left >> 32 != 0 { break }
            }
            if !Self.subtract(below, times: guess, from: &rest, at: place) {
                Self.add(below, to: &rest, at: place)
                guess -= 1
            }
            quotient[place] = UInt32(guess)
        }
        return (Self(digits: quotient), Self(digits: rest).shiftedBack(shift))
    }

    static func greatestCommonDivisor(_ one: Self, _ other: Self) -> Self {
        var (one, other) = (one, other)
        while !other.isZero { (one, other) = (other, one.divided(by: other).remainder) }
        return one
    }

    private func digit(_ place: Int) -> UInt64 { place < digits.count ? UInt64(digits[place]) : 0 }

    private mutating func trim() {
        while digits.last == 0 { digits.removeLast() }
    }

    private mutating func multiply(by factor: UInt32, plus more: UInt32) {
        var carry = UInt64(more)
        for place in digits.indices {
            carry += UInt64(digits[place]) * UInt64(factor)
            digits[place] = UInt32(truncatingIfNeeded: carry)
            carry >>= 32
        }
        if carry > 0 { digits.append(UInt32(carry)) }
    }

    /// Divides it, and returns the remainder.
    private mutating func divide(by divisor: UInt32) -> UInt32 {
        var remainder = UInt64(0)
        for place in digits.indices.reversed() {
            let value = remainder << 32 | UInt64(digits[place])
            digits[place] = UInt32(value / UInt64(divisor))
            remainder = value % UInt64(divisor)
        }
        trim()
        return UInt32(remainder)
    }

    /// By less than 32 binary digits.
    private func shifted(_ bits: Int) -> Self {
        self * Self(1 << UInt64(bits))
    }

    private func shiftedBack(_ bits: Int) -> Self {
        var number = self
        _ = number.divide(by: 1 << UInt32(bits))
        return number
    }

    /// Returns false where the result is below zero and stands there with a borrow of one.
    private static func subtract(
        _ digits: [UInt32], times factor: UInt64, from rest: inout [UInt32], at place: Int
    ) -> Bool {
        var (carry, borrow) = (UInt64(0), Int64(0))
        for (offset, digit) in digits.enumerated() {
            carry += UInt64(digit) * factor
            borrow += Int64(rest[place + offset]) - Int64(UInt32(truncatingIfNeeded: carry))
            rest[place + offset] = UInt32(truncatingIfNeeded: borrow)
            carry >>= 32
            borrow >>= 32
        }
        borrow += Int64(rest[place + digits.count]) - Int64(carry)
        rest[place + digits.count] = UInt32(truncatingIfNeeded: borrow)
        return borrow >= 0
    }

    private static func add(_ digits: [UInt32], to rest: inout [UInt32], at place: Int) {
        var carry = UInt64(0)
        for (offset, digit) in digits.enumerated() {
            carry += UInt64(rest[place + offset]) + UInt64(digit)
            rest[place + offset] = UInt32(truncatingIfNeeded: carry)
            carry >>= 32
        }
        // What is carried takes the borrow back.
        rest[place + digits.count] = rest[place + digits.count] &+ UInt32(carry)
    }
}
