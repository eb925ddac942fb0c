//! Compiles the C++ that catches llama.cpp's exceptions.

fn main() {
    println!("cargo:rerun-if-changed=native/guard.cpp");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("native/guard.cpp")
        // llama.cpp's crate links the C++ library that its own code was compiled for.
        .cpp_link_stdlib(None)
        .compile("uhlm_guard");
}
