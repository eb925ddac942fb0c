import Foundation
import Uhlm
import XCTest

@testable import ChatKit

/// What the tools of this device answer.
final class ToolsTests: XCTestCase {
    private func reason(_ body: () throws -> String) -> String {
        do { return "no error but \(try body())" } catch { return (error as? CannotCalculate)?.reason ?? "\(error)" }
    }

    func test_the_calculator_is_exact() throws {
        let cases = [
            ("0.1 + 0.2", "0.3"), ("1/3*3", "1"), ("(12.5 + 3) * 8", "124"), ("-2^2", "-4"), ("2^3^2", "512"),
            ("2 ** -2", "0.25"), ("8 % * 50", "4"), ("7 − 10 ÷ 4 × 2", "2"), ("1e3 + .5", "1000.5"),
            ("10^30", "1E+30"), ("10^29", "1" + zeros(29)), ("10^-31 * 15", "1.5E-30"),
            ("10^-30", "0." + zeros(29) + "1"), ("-0", "0"), ("5 - 5", "0"), ("100", "100"), ("--3", "3"),
            ("99999999999 * 99999999999", "9999999999800000000001"),
        ]
        for (expression, result) in cases { XCTAssertEqual(try calculate(expression), result, expression) }
        // A result of more than thirty digits is rounded.
        XCTAssertEqual(try calculate("2^128"), "3.4028236692093846346E+38 (rounded)")
        XCTAssertEqual(try calculate("1/3"), "0.33333333333333333333 (rounded)")
        XCTAssertEqual(try calculate("2/3"), "0.66666666666666666667 (rounded)")
        XCTAssertEqual(try calculate("-1/7"), "-0.14285714285714285714 (rounded)")
    }

    func test_what_cannot_be_calculated_says_why() {
        XCTAssertEqual(reason { try calculate("1 / (2 - 2)") }, "there is a division by zero")
        XCTAssertEqual(reason { try calculate("0^-1") }, "there is a division by zero")
        XCTAssertEqual(reason { try calculate("2^0.5") }, "an exponent must be a whole number")
        XCTAssertEqual(reason { try calculate("9^9^9") }, "the numbers are too large")
        XCTAssertEqual(reason { try calculate("1e9999") }, "the numbers are too large")
        XCTAssertEqual(reason { try calculate("(1 + 2") }, "a ')' was expected at the end")
        XCTAssertEqual(reason { try calculate("1 +") }, "a number was expected at the end")
        XCTAssertEqual(reason { try calculate("2 x") }, "an operator was expected at 'x'")
        XCTAssertEqual(
            reason { try calculate("1,000 + 1") },
            "numbers have a '.' before their decimals and nothing between thousands at ','")
        XCTAssertEqual(
            reason { try calculate(String(repeating: "(", count: 65)) }, "the expression is nested too deeply")
        XCTAssertEqual(reason { try calculate(String(repeating: "1", count: 1001)) }, "the expression is too long")
    }

    /// Two thousand random divisions of up to 700 binary digits: a wrong digit breaks one of the two laws.
    func test_whole_numbers_are_divided_so_that_the_parts_make_the_whole() {
        var random = SplitMix(state: 7)
        for round in 0..<2000 {
            let one = random.number(bits: 1 + round % 700)
            let other = random.number(bits: 1 + round % 311)
            let (quotient, remainder) = one.divided(by: other)
            XCTAssertTrue(remainder < other)
            XCTAssertEqual(quotient * other + remainder, one)
            XCTAssertEqual(WholeNumber(decimal: one.decimal), one)
            XCTAssertEqual((one + other) - other, one)
        }
        // The guess of a digit is one too high, and the product is added back.
        let hard = WholeNumber(1 << 63) * WholeNumber(1 << 33) + WholeNumber(3)
        let below = WholeNumber(1 << 63) + WholeNumber(1)
        let (quotient, remainder) = hard.divided(by: below)
        XCTAssertEqual(quotient * below + remainder, hard)
        XCTAssertEqual(WholeNumber.greatestCommonDivisor(WholeNumber(84), WholeNumber(36)), WholeNumber(12))
    }

    func test_units_are_converted_exactly() throws {
        let cases = [
            ("5", "mi", "km", "8.04672 km"), ("1", "inch", "cm", "2.54 cm"), ("6", "feet", "m", "1.8288 m"),
            ("100", "°C", "°F", "212 °F"), ("-40", "Fahrenheit", "celsius", "-40 °C"), ("0", "K", "°C", "-273.15 °C"),
            ("98.6", "degrees F", "c", "37 °C"), ("1", "stone", "lb", "14 lb"), ("2.5", "kilograms", "g", "2500 g"),
            ("1", "oz", "g", "28.34952312 g"), ("1e3", "m", "nmi", "0.5399568035 nmi"), (" 3 ", "yards", "ft", "9 ft"),
        ]
        for (value, from, to, result) in cases {
            XCTAssertEqual(try convert(value, from: from, to: to), result, "\(value) \(from)")
        }
        XCTAssertEqual(reason { try convert("1", from: "km", to: "kg") }, "km is a length and kg is a mass")
        XCTAssertEqual(reason { try convert("-300", from: "c", to: "K") }, "that is below the absolute zero")
        XCTAssertEqual(reason { try convert("much", from: "m", to: "km") }, "'much' is no number")
        XCTAssertTrue(reason { try convert("1", from: "parsec", to: "km") }.hasPrefix("'parsec' is no unit that is"))
    }

    func test_the_clock_tells_day_and_time_of_a_zone() throws {
        let time = Date(timeIntervalSince1970: 1_795_953_900)
        XCTAssertEqual(
            try dayAndTime(time, zone: "europe/berlin"), "Sunday, 29 November 2026, 13:05 (Europe/Berlin, UTC+01:00)")
        XCTAssertEqual(
            try dayAndTime(time, zone: "America/St_Johns"),
            "Sunday, 29 November 2026, 08:35 (America/St_Johns, UTC-03:30)")
        XCTAssertEqual(try dayAndTime(time, zone: "UTC"), "Sunday, 29 November 2026, 12:05 (UTC, UTC+00:00)")
        XCTAssertTrue(try dayAndTime(time, zone: nil).contains("November 2026"))
        XCTAssertEqual(
            reason { try dayAndTime(time, zone: "Atlantis") }, "'Atlantis' is no time zone; Europe/Berlin is one")
    }

    func test_arguments_are_read_as_models_write_them() async throws {
        let all = localTools { Date(timeIntervalSince1970: 0) }
        let tools = Dictionary(uniqueKeysWithValues: all.map { ($0.definition.name, $0) })
        XCTAssertEqual(Set(tools.keys), ["current_time", "calculate", "convert_units"])
        for tool in tools.values {
            XCTAssertNoThrow(try JSONSerialization.jsonObject(with: Data(tool.definition.parameters.utf8)))
        }
        let asked = [
            ("calculate", #"{"expression": "6 * 7"}"#, "42"), ("calculate", #"{"expression": 1.10}"#, "1.1"),
            ("convert_units", #"{"value": 5, "from": "mi", "to": "km"}"#, "8.04672 km"),
            ("convert_units", #"{"value": "0.1", "from": "m", "to": "cm"}"#, "10 cm"),
            ("current_time", #"{"zone": "UTC"}"#, "Thursday, 1 January 1970, 00:00 (UTC, UTC+00:00)"),
        ]
        for (name, arguments, answer) in asked {
            let given = try await XCTUnwrap(tools[name]).run(arguments)
            XCTAssertEqual(given, answer)
        }
        let wrong = [
            ("{", "the arguments are no JSON object"), ("[1]", "the arguments are no JSON object"),
            ("{}", "'expression' is missing"), (#"{"expression": " "}"#, "'expression' is missing"),
            (#"{"expression": {"a": 1}}"#, "'expression' is missing"),
        ]
        for (arguments, reason) in wrong {
            do {
                let given = try await XCTUnwrap(tools["calculate"]).run(arguments)
                XCTFail("\(arguments) gave \(given)")
            } catch ToolError.Failed(let said) {
                XCTAssertEqual(said, reason)
            }
        }
    }

    func test_a_call_is_one_line_and_its_values_are_lines() {
        func call(_ name: String, _ arguments: String, _ content: String?, _ kind: Answer.Kind = .given) -> Call {
            var call = Call(at: 0, round: 0, id: "a", name: name, arguments: arguments)
            call.answer = content.map { Answer(content: $0, kind: kind) }
            return call
        }
        func line(_ call: Call, isOver: Bool = true) -> String { Asked.call(call).line(isOver: isOver) }
        let sum = #"{"expression": " 6 *\n7 "}"#
        XCTAssertEqual(line(call("calculate", sum, "42")), "Asked the calculator: 6 * 7 = 42")
        XCTAssertEqual(line(call("calculate", sum, nil), isOver: false), "The calculator is asked…")
        XCTAssertEqual(line(call("calculate", sum, nil)), "The calculator was not asked any more.")
        XCTAssertEqual(
            line(call("calculate", sum, "Error: too large", .failed)), "The calculator has no answer: too large")
        XCTAssertEqual(line(call("current_time", "{}", "Error: no", .refused)), "The clock was not allowed.")
        XCTAssertEqual(
            line(call("convert_units", #"{"to": "km", "value": 5, "from": "mi"}"#, "8.04672 km")),
            "Converted: 5 mi = 8.04672 km")
        XCTAssertEqual(line(call("get_weather", "{}", "sunny")), "Asked the tool “get_weather”: sunny")
        XCTAssertEqual(
            call("convert_units", #"{"to": "km", "why": ["a"], "value": 5.50, "from": "mi"}"#, nil).values,
            "value: 5.5\nfrom: mi\nto: km\nwhy: [\"a\"]")
        XCTAssertEqual(call("calculate", "no object", nil).values, "no object")
        XCTAssertEqual(codeSpan("a"), "`a`")
        XCTAssertEqual(codeSpan("a `` b`"), "``` a `` b` ```")
    }

    private func zeros(_ count: Int) -> String { String(repeating: "0", count: count) }
}

/// Random numbers that are the same each time.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number of so many binary digits. Many of its digits to the base 2^32 are all ones or zeros, where divisions go
    /// wrong.
    mutating func number(bits: Int) -> WholeNumber {
        var (number, left) = (WholeNumber(1), bits - 1)
        while left > 0 {
            let count = UInt64(min(left, 32))
            let mask = UInt64(1) << count - 1
            let digit = [0, mask, next() & mask, next() & mask][Int(next() % 4)]
            number = number * WholeNumber(1 << count) + WholeNumber(digit)
            left -= Int(count)
        }
        return number
    }
}
