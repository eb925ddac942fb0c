package dev.uhlm.demo.tools

/**
 * Calculates an expression: decimal numbers, `+`, `-`, `*`, `/`, `^`, `%` for hundredths, and parentheses, with the
 * precedence that they have at school. It is exact; a result that has no end is rounded and says so.
 *
 * @throws CannotCalculate where the text is no such expression, or its numbers are too large.
 */
internal fun calculate(expression: String): String {
    if (expression.length > MAX_LENGTH) throw CannotCalculate("the expression is too long")
    val value = Expression(expression).value()
    val exact = value.decimal(EXACT_DIGITS)
    return if (exact.isExact) exact.text else value.decimal(ROUNDED_DIGITS).text + " (rounded)"
}

/** In characters. A longer expression is no question of a person. */
private const val MAX_LENGTH = 1000

/** Parentheses, signs and powers within one another; each takes some of the stack. */
private const val MAX_DEPTH = 64

private const val EXACT_DIGITS = 30
private const val ROUNDED_DIGITS = 20

/** Reads one expression from left to right. */
private class Expression(private val text: String) {
    private var at = 0
    private var depth = 0

    fun value(): Fraction {
        val value = sum()
        if (next() != null) fail("an operator was expected")
        return value
    }

    private fun sum(): Fraction {
        var value = product()
        while (true) {
            value = when {
                takes('+') -> value + product()
                takes('-', '−', '–') -> value - product()
                else -> return value
            }
        }
    }

    private fun product(): Fraction {
        var value = signed()
        while (true) {
            value = when {
                takes('*', '×', '·') -> value * signed()
                takes('/', '÷') -> value / signed()
                else -> return value
            }
        }
    }

    /** A sign belongs to the whole power behind it: -2^2 is -4. */
    private fun signed(): Fraction = deeper {
        when {
            takes('+') -> signed()
            takes('-', '−', '–') -> -signed()
            else -> power()
        }
    }

    /** Powers are read from the right: 2^3^2 is 2^9. */
    private fun power(): Fraction {
        var base = atom()
        while (takes('%')) base /= Fraction.whole(100)
        return if (takesPower()) base.power(signed()) else base
    }

    private fun atom(): Fraction {
        if (!takes('(')) return number()
        val value = deeper(::sum)
        if (!takes(')')) fail("a ')' was expected")
        return value
    }

    private fun number(): Fraction {
        next()
        val found = NUMBER.matchAt(text, at) ?: fail("a number was expected")
        at = found.range.last + 1
        if (text.getOrNull(at) == ',') fail("numbers have a '.' before their decimals and nothing between thousands")
        return Fraction.of(found.value)
    }

    private fun takesPower(): Boolean {
        if (takes('^')) return true
        if (next() != '*' || text.getOrNull(at + 1) != '*') return false
        at += 2
        return true
    }

    private fun takes(vararg signs: Char): Boolean {
        val next = next()
        // Two stars are a power, which binds tighter.
        if (next == null || next !in signs || (next == '*' && text.getOrNull(at + 1) == '*')) return false
        at++
        return true
    }

    /** The next character that is no space, which [at] then stands on. */
    private fun next(): Char? {
        while (text.getOrNull(at)?.isWhitespace() == true) at++
        return text.getOrNull(at)
    }

    private fun <T> deeper(read: () -> T): T {
        if (++depth > MAX_DEPTH) throw CannotCalculate("the expression is nested too deeply")
        return read().also { depth-- }
    }

    private fun fail(reason: String): Nothing {
        val where = text.getOrNull(at)?.let { "at '$it'" } ?: "at the end"
        throw CannotCalculate("$reason $where")
    }

    private companion object {
        val NUMBER = Regex("""(\d+(\.\d+)?|\.\d+)([eE][+-]?\d{1,4})?""")
    }
}
