#if os(iOS)
import os
#endif

/// What the system says is free.
public enum SystemMemory {
    /// Bytes that this process may still take; nil where the library asks the system itself, or nobody can be asked.
    public static func available() -> UInt64? {
        #if os(iOS)
        return UInt64(os_proc_available_memory())
        #else
        return nil
        #endif
    }
}
