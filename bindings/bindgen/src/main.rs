//! UniFFI's generator. `cargo xtask bindings` calls it; a crate of its own, so that the library's build knows nothing
//! of it.

fn main() {
    uniffi::uniffi_bindgen_main();
}
