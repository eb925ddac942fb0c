/// Calculates an expression: decimal numbers, `+`, `-`, `*`, `/`, `^`, `%` for hundredths, and parentheses, with the
/// precedence that they have at school. It is exact; a result that has no end is rounded and says so. The Android app
/// calculates alike.
///
/// - Throws: ``CannotCalculate`` where the text is no such expression, or its numbers are too large.
func calculate(_ expression: String) throws -> String {
    if expression.utf16.count > Expression.maxLength { throw CannotCalculate("the expression is too long") }
    var reader = Expression(expression)
    let value = try reader.value()
    let exact = value.decimal(30)
    return exact.isExact ? exact.text : value.decimal(20).text + " (rounded)"
}

/// Reads one expression from left to right.
private struct Expression {
    /// In UTF-16 units. A longer expression is no question of a person.
    static let maxLength = 1000
    /// Parentheses, signs and powers within one another; each takes some of the stack.
    private static let maxDepth = 64

    private let text: [Character]
    private var at = 0
    private var depth = 0

    init(_ text: String) {
        self.text = Array(text)
    }

    mutating func value() throws -> Fraction {
        let value = try sum()
        if next() != nil { throw failure("an operator was expected") }
        return value
    }

    private mutating func sum() throws -> Fraction {
        var value = try product()
        while true {
            if takes("+") {
                value = try value + product()
            } else if takes("-", "−", "–") {
                value = try value - product()
            } else {
                return value
            }
        }
    }

    private mutating func product() throws -> Fraction {
        var value = try signed()
        while true {
            if takes("*", "×", "·") {
                value = try value * signed()
            } else if takes("/", "÷") {
                value = try value / signed()
            } else {
                return value
            }
        }
    }

    /// A sign belongs to the whole power behind it: -2^2 is -4.
    private mutating func signed() throws -> Fraction {
        try deeper { reader in
            if reader.takes("+") { return try reader.signed() }
            if reader.takes("-", "−", "–") { return -(try reader.signed()) }
            return try reader.power()
        }
    }

    /// Powers are read from the right: 2^3^2 is 2^9.
    private mutating func power() throws -> Fraction {
        var base = try atom()
        while takes("%") { base = try base / Fraction(100) }
        return takesPower() ? try base.power(signed()) : base
    }

    private mutating func atom() throws -> Fraction {
        if !takes("(") { return try number() }
        let value = try deeper { try $0.sum() }
        if !takes(")") { throw failure("a ')' was expected") }
        return value
    }

    private mutating func number() throws -> Fraction {
        _ = next()
        let number = /(\d+(\.\d+)?|\.\d+)([eE][+-]?\d{1,4})?/.asciiOnlyDigits()
        guard let found = String(text[at...]).prefixMatch(of: number) else { throw failure("a number was expected") }
        at += found.0.count
        if at < text.count, text[at] == "," {
            throw failure("numbers have a '.' before their decimals and nothing between thousands")
        }
        return try Fraction(String(found.0))
    }

    private mutating func takesPower() -> Bool {
        if takes("^") { return true }
        guard next() == "*", isPower else { return false }
        at += 2
        return true
    }

    /// Whether two stars stand here, which are a power and bind tighter than one.
    private var isPower: Bool { at + 1 < text.count && text[at] == "*" && text[at + 1] == "*" }

    private mutating func takes(_ signs: Character...) -> Bool {
        guard let next = next(), signs.contains(next), !isPower else { return false }
        at += 1
        return true
    }

    /// The next character that is no space, which `at` then stands on.
    private mutating func next() -> Character? {
        while at < text.count, text[at].isWhitespace { at += 1 }
        return at < text.count ? text[at] : nil
    }

    private mutating func deeper(_ read: (inout Expression) throws -> Fraction) throws -> Fraction {
        depth += 1
        if depth > Self.maxDepth { throw CannotCalculate("the expression is nested too deeply") }
        defer { depth -= 1 }
        return try read(&self)
    }

    private func failure(_ reason: String) -> CannotCalculate {
        CannotCalculate(reason + (at < text.count ? " at '\(text[at])'" : " at the end"))
    }
}
