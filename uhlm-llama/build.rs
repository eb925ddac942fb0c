//! Compiles the C++ that catches llama.cpp's exceptions, and links to OpenCL where llama.cpp is built for it.

fn main() {
    println!("cargo:rerun-if-changed=native/guard.cpp");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("native/guard.cpp")
        // llama.cpp's crate links the C++ library that its own code was compiled for.
        .cpp_link_stdlib(None)
        .compile("uhlm_guard");
    if std::env::var_os("CARGO_FEATURE_OPENCL").is_some() {
        link_opencl();
    }
}

/// llama.cpp's crate leaves this to who uses it. Its variable names the library to link to where it is cross-compiled.
fn link_opencl() {
    println!("cargo:rerun-if-env-changed=OPENCL_LIBRARY");
    if let Some(library) = std::env::var_os("OPENCL_LIBRARY")
        && let Some(folder) = std::path::Path::new(&library).parent()
    {
        println!("cargo:rustc-link-search=native={}", folder.display());
    }
    println!("cargo:rustc-link-lib=OpenCL");
}
