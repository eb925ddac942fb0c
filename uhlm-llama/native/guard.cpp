// Keeps what llama.cpp throws, and what it asserts, from ending the process.
//
// llama.cpp's functions have C linkage and throw C++ exceptions all the same (a token that is missing is
// `std::out_of_range`). Rust must not see one, so every call goes through `uhlm_guard`. Assertions of ggml and
// llama.cpp call `abort`, but ask a callback first: below it throws, so that an assertion becomes an exception.

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>

namespace {

// Guarded calls of this thread whose assertions are to throw.
thread_local int asserting = 0;

struct Asserting {
    const bool on;
    explicit Asserting(bool on) : on(on) { asserting += on; }
    ~Asserting() { asserting -= on; }
    Asserting(const Asserting &) = delete;
    Asserting & operator=(const Asserting &) = delete;
};

void copy(const char * text, char * what, size_t capacity) {
    if (capacity > 0) {
        std::strncpy(what, text, capacity - 1);
        what[capacity - 1] = '\0';
    }
}

} // namespace

// Calls `body(data)`; false if it threw, and then `what` says why.
extern "C" bool uhlm_guard(void (*body)(void *), void * data, bool asserts, char * what, size_t capacity) {
    try {
        const Asserting scope(asserts);
        body(data);
        return true;
    } catch (const std::exception & thrown) {
        copy(thrown.what(), what, capacity);
    } catch (...) {
        copy("an exception without a text", what, capacity);
    }
    return false;
}

// What ggml calls before it aborts; the process ends if this returns.
extern "C" void uhlm_on_abort(const char * message) {
    // `path/to/file.cpp:12: GGML_ASSERT(...) failed`, without the path.
    const size_t path = std::strcspn(message, ":");
    for (size_t i = path; i > 0; i--) {
        if (message[i - 1] == '/' || message[i - 1] == '\\') {
            message += i;
            break;
        }
    }
    if (asserting > 0) {
        throw std::runtime_error(message);
    }
    std::fprintf(stderr, "%s\n", message);
}
