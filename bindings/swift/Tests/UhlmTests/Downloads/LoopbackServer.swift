import Foundation

@testable import Uhlm

#if canImport(Glibc)
import Glibc

private let stream = Int32(SOCK_STREAM.rawValue)
#elseif canImport(Darwin)
import Darwin

private let stream = SOCK_STREAM
#endif

/// Files over plain HTTP on loopback, by a server that also misbehaves. Ends with the last reference.
final class LoopbackServer: @unchecked Sendable {
    /// What a request gets.
    enum Answer: Sendable {
        case file(Data)
        /// A page in the place of the file.
        case status(Int)
        /// The length of the whole file, and then only its first half.
        case half(Data)
        /// Nothing, while the server is there.
        case silence
    }

    let url: String
    private let socket: Int32
    private let state = Locked((answers: [String: [Answer]](), asked: [String: Int](), open: [Int32](), isOver: false))

    init() throws {
        // Linux ends a process that writes to a connection that was reset.
        signal(SIGPIPE, SIG_IGN)
        let socket = Foundation.socket(AF_INET, stream, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port: UInt16? = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard bind(socket, address, length) == 0, listen(socket, 16) == 0 else { return nil }
                guard getsockname(socket, address, &length) == 0 else { return nil }
                return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_port.bigEndian }
            }
        }
        guard let port else { throw TookTooLong(description: "no port to listen on") }
        self.socket = socket
        url = "http://127.0.0.1:\(port)"
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(socket, nil, nil)
                guard connection >= 0, let server = self else { return }
                Thread.detachNewThread { [weak server] in server?.serve(connection) }
            }
        }
    }

    deinit {
        stopSilence()
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }

    /// Answers requests for a path in this order; the last answer is given again and again.
    func serve(_ path: String, _ answers: Answer...) {
        state.withLock { $0.answers[path] = answers }
    }

    /// How often a path was asked for.
    func asked(_ path: String) -> Int { state.withLock { $0.asked[path, default: 0] } }

    /// Ends the connections that get no answer.
    func stopSilence() {
        let open = state.withLock { state in
            defer { state.open = [] }
            return state.open
        }
        for connection in open {
            shutdown(connection, Int32(SHUT_RDWR))
            close(connection)
        }
    }

    private func serve(_ connection: Int32) {
        var request = Data()
        var buffer = [UInt8](repeating: 0, count: 4096)
        while request.range(of: Data("\r\n\r\n".utf8)) == nil {
            let count = recv(connection, &buffer, buffer.count, 0)
            if count <= 0 { break }
            request += buffer[..<count]
        }
        let words = String(decoding: request, as: UTF8.self).split(separator: " ")
        let path = words.count > 1 ? String(words[1]) : ""
        let answer: Answer = state.withLock { state in
            state.asked[path, default: 0] += 1
            var answers = state.answers[path] ?? [.status(404)]
            let answer = answers.count > 1 ? answers.removeFirst() : answers[0]
            state.answers[path] = answers
            return answer
        }
        switch answer {
        case .file(let data):
            send(head(200, data.count) + data, to: connection)
        case .half(let data):
            send(head(200, data.count) + data.prefix(data.count / 2), to: connection)
        case .status(let status):
            let page = Data("<html>no</html>".utf8)
            send(head(status, page.count) + page, to: connection)
        case .silence:
            return state.withLock { $0.open.append(connection) }
        }
        shutdown(connection, Int32(SHUT_WR))
        while recv(connection, &buffer, buffer.count, 0) > 0 {}
        close(connection)
    }

    private func head(_ status: Int, _ length: Int) -> Data {
        Data("HTTP/1.1 \(status) X\r\nContent-Length: \(length)\r\nConnection: close\r\n\r\n".utf8)
    }

    private func send(_ data: Data, to connection: Int32) {
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }
}
