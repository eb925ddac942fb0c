package dev.uhlm.demo.tools

/**
 * Converts an amount into another unit of the same kind, exactly, and rounds the result to ten significant digits.
 *
 * @return the result with its unit: "8.04672 km".
 * @throws CannotCalculate where a unit is not known, the two are of different kinds, or the amount cannot be.
 */
internal fun convert(value: String, from: String, to: String): String {
    val (source, target) = unit(from) to unit(to)
    if (source.kind != target.kind) {
        throw CannotCalculate("${source.symbol} is a ${source.kind.word} and ${target.symbol} is a ${target.kind.word}")
    }
    val base = (Fraction.of(value.trim()) + source.zero) * source.size
    if (base.isBelow(Fraction.whole(0)) && source.kind == Kind.TEMPERATURE) {
        throw CannotCalculate("that is below the absolute zero")
    }
    return (base / target.size - target.zero).decimal(DIGITS).text + " " + target.symbol
}

/** The symbols that a model is told of. */
internal val unitSymbols: List<String> get() = units.map { it.symbol }

private const val DIGITS = 10

private enum class Kind(val word: String) { LENGTH("length"), MASS("mass"), TEMPERATURE("temperature") }

/**
 * A unit.
 *
 * @property size its size in metres, grams or kelvins.
 * @property zero how many of it its zero is above the kind's own.
 * @property names in lower case and in the singular; a plural that ends in `s` is known without being named.
 */
private class MeasuringUnit(
    val kind: Kind,
    val symbol: String,
    val size: Fraction,
    val zero: Fraction,
    val names: List<String>,
)

private fun length(symbol: String, metres: String, vararg names: String) =
    MeasuringUnit(Kind.LENGTH, symbol, Fraction.of(metres), Fraction.whole(0), names.asList())

private fun mass(symbol: String, grams: String, vararg names: String) =
    MeasuringUnit(Kind.MASS, symbol, Fraction.of(grams), Fraction.whole(0), names.asList())

private fun temperature(symbol: String, kelvins: Fraction, zero: String, vararg names: String) =
    MeasuringUnit(Kind.TEMPERATURE, symbol, kelvins, Fraction.of(zero), names.asList())

private val units = listOf(
    length("mm", "0.001", "millimetre", "millimeter"),
    length("cm", "0.01", "centimetre", "centimeter"),
    length("m", "1", "metre", "meter"),
    length("km", "1000", "kilometre", "kilometer"),
    length("in", "0.0254", "inch", "inches", "\""),
    length("ft", "0.3048", "foot", "feet", "'"),
    length("yd", "0.9144", "yard"),
    length("mi", "1609.344", "mile"),
    length("nmi", "1852", "nautical mile"),
    mass("mg", "0.001", "milligram"),
    mass("g", "1", "gram"),
    mass("kg", "1000", "kilogram", "kilo"),
    mass("t", "1000000", "tonne", "metric ton"),
    mass("oz", "28.349523125", "ounce"),
    mass("lb", "453.59237", "pound", "lbs"),
    mass("st", "6350.29318", "stone"),
    temperature("°C", Fraction.whole(1), "273.15", "c", "celsius", "centigrade"),
    temperature("°F", Fraction.whole(5) / Fraction.whole(9), "459.67", "f", "fahrenheit"),
    temperature("K", Fraction.whole(1), "0", "kelvin"),
)

private fun unit(name: String): MeasuringUnit {
    val plain = name.trim().lowercase().removePrefix("degrees ").removePrefix("degree ").removePrefix("°")
    return units.find { it.isCalled(plain) }
        ?: units.find { plain.length > 2 && it.isCalled(plain.removeSuffix("s")) }
        ?: throw CannotCalculate("'$name' is no unit that is known; these are: ${unitSymbols.joinToString()}")
}

private fun MeasuringUnit.isCalled(name: String) = name == symbol.lowercase() || name in names
