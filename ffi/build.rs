//! How the shared library is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Raised when a program that was compiled against an older header would go wrong.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcotas.so.1");
    // It stays mapped once it is loaded: a host may unload it while a thread of ours runs (PHP
    // does, with every request).
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
