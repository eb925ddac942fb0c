import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class SettingsTests: XCTestCase, @unchecked Sendable {
    @MainActor
    func test_settings_and_keys_are_there_after_a_restart() async throws {
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("settings.json")
        let secrets = FileSecrets(folder: folder.url.appendingPathComponent("secrets"))
        let one = SettingsModel(file: file, secrets: secrets)
        one.settings.mode = .opportunistic
        one.settings.goal = .shareSent
        one.settings.goalValue = 0.25
        one.setSecret(.endpointKey, to: "  key-1 \n")
        XCTAssertNil(one.problem)
        let two = SettingsModel(file: file, secrets: secrets)
        XCTAssertEqual(two.settings, one.settings)
        XCTAssertEqual(two.secret(.endpointKey), "key-1")
        XCTAssertNil(two.secret(.hubToken))
        XCTAssertFalse(String(decoding: try Data(contentsOf: file), as: UTF8.self).contains("key-1"))
        two.setSecret(.endpointKey, to: "")
        XCTAssertNil(one.secret(.endpointKey))
    }

    @MainActor
    func test_settings_that_cannot_be_read_or_kept_are_the_defaults_and_a_problem() async throws {
        let folder = try Folder()
        let file = folder.url.appendingPathComponent("settings.json")
        let secrets = FileSecrets(folder: folder.url)
        try Data("{\"mode\":\"exact\",\"maxTo".utf8).write(to: file)
        XCTAssertEqual(SettingsModel(file: file, secrets: secrets).settings, ChatSettings())
        try Data("{\"mode\":\"telepathy\",\"maxTokens\":64,\"new\":1}".utf8).write(to: file)
        let read = SettingsModel(file: file, secrets: secrets)
        XCTAssertEqual(read.settings.maxTokens, 64)
        XCTAssertEqual(read.settings.mode, .exact)
        let lost = SettingsModel(file: folder.url.appendingPathComponent("no/folder/s.json"), secrets: secrets)
        lost.settings.maxTokens = 1
        XCTAssertEqual(lost.problem?.recovery, .freeStorage)
    }

    func test_a_key_can_be_read_by_its_owner_only() async throws {
        let folder = try Folder()
        let secrets = FileSecrets(folder: folder.url.appendingPathComponent("secrets"))
        try secrets.write("one", as: .hubToken)
        try secrets.write("two", as: .hubToken)
        XCTAssertEqual(try secrets.read(.hubToken), "two")
        for (path, mode) in [("secrets", 0o700), ("secrets/hubToken", 0o600)] {
            let attributes = try FileManager.default.attributesOfItem(
                atPath: folder.url.appendingPathComponent(path).path)
            XCTAssertEqual((attributes[.posixPermissions] as? NSNumber)?.intValue, mode, path)
        }
        try secrets.remove(.hubToken)
        try secrets.remove(.hubToken)
        XCTAssertNil(try secrets.read(.hubToken))
    }

    func test_without_a_server_the_device_is_alone() {
        var settings = ChatSettings()
        XCTAssertEqual(settings.effectiveMode, .deviceOnly)
        settings.endpoint = "https://example.org"
        XCTAssertEqual(settings.effectiveMode, .exact)
        XCTAssertEqual(settings.session(calibration: nil, consent: .withheld).consent, .withheld)
        XCTAssertEqual(settings.remote.trust, .bundledRoots)
    }

    func test_only_what_a_session_is_opened_with_opens_another_one() {
        let settings = ChatSettings()
        var other = settings
        other.tintsOrigins.toggle()
        other.maxTokens = 3
        other.usesTools = true
        other.asksBeforeTools = false
        other.agreedServers = ["https://example.org"]
        other.noticeDone = false
        other.noticeText = true
        XCTAssertTrue(settings.opensTheSame(as: other))
        for change in [\ChatSettings.usesGpu, \.recordsSentText] {
            var changed = settings
            changed[keyPath: change].toggle()
            XCTAssertFalse(settings.opensTheSame(as: changed))
        }
        other.goal = .risk
        XCTAssertFalse(settings.opensTheSame(as: other))
    }
}
