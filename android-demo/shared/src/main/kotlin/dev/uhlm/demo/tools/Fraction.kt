package dev.uhlm.demo.tools

import java.math.BigDecimal
import java.math.BigInteger
import java.math.MathContext
import java.math.RoundingMode

/** A number that is exact, so that a third of three is one. [below] is positive, and nothing divides both parts. */
internal class Fraction private constructor(private val above: BigInteger, private val below: BigInteger) {
    operator fun plus(other: Fraction) = reduced(above * other.below + other.above * below, below * other.below)

    operator fun minus(other: Fraction) = this + -other

    operator fun unaryMinus() = Fraction(above.negate(), below)

    operator fun times(other: Fraction) = reduced(above * other.above, below * other.below)

    /** @throws CannotCalculate for a division by zero. */
    operator fun div(other: Fraction): Fraction {
        if (other.above.signum() == 0) throw CannotCalculate("there is a division by zero")
        return reduced(above * other.below, below * other.above)
    }

    /** @throws CannotCalculate where the exponent is no whole number, or the power too large. */
    fun power(exponent: Fraction): Fraction {
        if (exponent.below != BigInteger.ONE) throw CannotCalculate("an exponent must be a whole number")
        val times = exponent.above.abs()
        val bits = times * BigInteger.valueOf(maxOf(above.bitLength(), below.bitLength()).toLong())
        if (bits > BigInteger.valueOf(MAX_BITS.toLong())) throw CannotCalculate(TOO_LARGE)
        val power = Fraction(above.pow(times.toInt()), below.pow(times.toInt()))
        return if (exponent.above.signum() < 0) whole(1) / power else power
    }

    fun isBelow(other: Fraction): Boolean = (this - other).above.signum() < 0

    /** Returns the number as a decimal with at most [digits] significant digits, and whether that is all of it. */
    fun decimal(digits: Int): Decimal {
        val rounded = BigDecimal(above).divide(BigDecimal(below), MathContext(digits, RoundingMode.HALF_EVEN))
        val isExact = (rounded * BigDecimal(below)).compareTo(BigDecimal(above)) == 0
        val short = if (rounded.signum() == 0) BigDecimal.ZERO else rounded.stripTrailingZeros()
        val isPlain = short.scale() <= MAX_ZEROS && short.precision() - short.scale() <= MAX_ZEROS
        return Decimal(if (isPlain) short.toPlainString() else short.toString(), isExact)
    }

    /** The text of a number, and whether it is exact. */
    data class Decimal(val text: String, val isExact: Boolean)

    companion object {
        /** A number of this many bits has some three thousand digits: nobody reads it, and a phone is quick with it. */
        private const val MAX_BITS = 10_000

        /** A number with more digits before or after the point is written with an exponent. */
        private const val MAX_ZEROS = 30

        private const val TOO_LARGE = "the numbers are too large"

        fun whole(number: Long) = Fraction(BigInteger.valueOf(number), BigInteger.ONE)

        /** @throws CannotCalculate where [text] is no decimal number, or too large. */
        fun of(text: String): Fraction {
            val decimal = text.toBigDecimalOrNull() ?: throw CannotCalculate("'$text' is no number")
            if (Math.abs(decimal.scale().toLong()) > MAX_BITS / 4 || decimal.precision() > MAX_BITS / 4) {
                throw CannotCalculate(TOO_LARGE)
            }
            val ten = BigInteger.TEN.pow(Math.abs(decimal.scale()))
            val isWhole = decimal.scale() <= 0
            return if (isWhole) reduced(decimal.unscaledValue() * ten, BigInteger.ONE)
            else reduced(decimal.unscaledValue(), ten)
        }

        private fun reduced(above: BigInteger, below: BigInteger): Fraction {
            if (maxOf(above.bitLength(), below.bitLength()) > MAX_BITS) throw CannotCalculate(TOO_LARGE)
            val common = above.gcd(below).let { if (below.signum() < 0) it.negate() else it }
            return Fraction(above / common, below / common)
        }
    }
}

/** Why there is no result, in words that a model reads. */
internal class CannotCalculate(override val message: String) : Exception(message)
