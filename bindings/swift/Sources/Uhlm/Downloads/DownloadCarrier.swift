import Foundation

/// What loads files while the app may not even run: the system's session, or what a test puts in its place.
protocol DownloadCarrier: AnyObject, Sendable {
    /// The files that are on their way, also from before the app was started.
    func keys() async -> Set<FileKey>

    /// Loads a file, and tells what becomes of it.
    func load(_ order: CarrierOrder)

    /// Stops a file. What the system needs to go on with it is told as ``CarrierEvent/stopped(_:resume:)``.
    func stop(_ key: FileKey)

    /// Lets go of the system's session, which goes on with its files unless they are stopped.
    func end(stopping: Bool)
}

/// A file that is wanted.
struct CarrierOrder: Sendable {
    let key: FileKey
    let url: URL
    let allowsMetered: Bool
    /// What the system needs to go on where an earlier attempt broke off.
    let resume: Data?
    /// How long to wait, in seconds.
    let delay: TimeInterval
}

/// What becomes of files.
enum CarrierEvent: Sendable {
    /// Bytes came.
    case moved(FileKey, received: UInt64, total: UInt64?)
    /// The file came whole, and lies in the folder.
    case came(FileKey)
    /// The file came, and could not be put into the folder.
    case unkept(FileKey, isFull: Bool)
    /// The server answered with something else than the file.
    case refused(FileKey, status: Int)
    /// The attempt failed.
    case brokeOff(FileKey, code: URLError.Code, resume: Data?)
    /// The file was stopped.
    case stopped(FileKey, resume: Data?)
    /// The system has told all that happened while the app did not run.
    case delivered
}

/// What an attempt that failed means.
enum Setback: Equatable {
    /// The next attempt may succeed.
    case passing
    /// Another attempt ends alike.
    case final(UhlmError)

    /// What an answer of a server means that is not the file.
    init(status: Int) {
        switch status {
        case 401, 403: self = .final(.download(.unauthorized, "the server answered with \(status)"))
        case 404, 410: self = .final(.download(.modelNotFound, "the server answered with \(status)"))
        case 408, 425, 429, 500...: self = .passing
        default: self = .final(.download(.refused, "the server answered with \(status)"))
        }
    }

    /// What a failure of the system means. What is not known is the network's.
    init(code: URLError.Code) {
        switch code {
        case .serverCertificateUntrusted, .serverCertificateHasBadDate, .serverCertificateHasUnknownRoot,
            .serverCertificateNotYetValid, .clientCertificateRejected, .clientCertificateRequired:
            self = .final(.download(.untrusted, "the server's certificate is not trusted (\(code.rawValue))"))
        case .badURL, .unsupportedURL, .appTransportSecurityRequiresSecureConnection:
            self = .final(.download(.invalidOptions, "the address cannot be loaded (\(code.rawValue))"))
        case .httpTooManyRedirects, .redirectToNonExistentLocation:
            self = .final(.download(.refused, "the redirects lead nowhere (\(code.rawValue))"))
        case .cannotCreateFile, .cannotOpenFile, .cannotCloseFile, .cannotWriteToFile, .cannotMoveFile:
            self = .final(.download(.storageFailed, "the file could not be written (\(code.rawValue))"))
        default:
            self = .passing
        }
    }
}
