//! Stamps the build, and takes the parts of Swagger UI that are served out of its vendored archive.
//!
//! Both depend on sources alone: the same sources give the same bytes, on any machine, with or without git.

use std::error::Error;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

/// Where the archive keeps what a page needs. The crate is pinned, so another version is a deliberate edit here.
const DIST: &str = "swagger-ui-5.32.6/dist";

/// What is served, as (name of the constant, file).
const SERVED: [(&str, &str); 2] = [("SCRIPT", "swagger-ui-bundle.js"), ("STYLE", "swagger-ui.css")];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=assets");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names the manifest's directory")?);
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo names the output directory")?);
    println!("cargo:rustc-env=CLARIBI_BUILD={}", build(&root)?);
    unpack_swagger(&out)
}

/// `<commit>-<sources>`, or `<sources>` alone outside a checkout. The second part tells apart two builds of one
/// commit whose working trees differ.
fn build(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut hash = Fnv::default();
    for tree in ["src", "assets", "build.rs", "Cargo.toml", "Cargo.lock"] {
        hash_tree(&root.join(tree), root, &mut hash)?;
    }
    let sources = format!("{:016x}", hash.0);
    Ok(match commit(root) {
        Some(commit) => format!("{commit}-{}", &sources[..8]),
        None => sources,
    })
}

/// The commit that is checked out, if `root` is the top of a checkout and not merely somewhere inside one.
fn commit(root: &Path) -> Option<String> {
    if !root.join(".git").exists() {
        return None;
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // The log of HEAD grows with every commit, checkout and reset. A path that does not exist would rerun always.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && root.join(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=10", "HEAD"]).filter(|commit| !commit.is_empty())
}

/// Adds the names and contents of a file or of all files below a directory, in the order of their names.
fn hash_tree(path: &Path, root: &Path, hash: &mut Fnv) -> Result<(), Box<dyn Error>> {
    if path.is_dir() {
        let mut entries =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| hash_tree(entry, root, hash));
    }
    if path.is_file() {
        let content = fs::read(path)?;
        hash.add(path.strip_prefix(root)?.to_string_lossy().as_bytes());
        hash.add(&content.len().to_le_bytes());
        hash.add(&content);
    }
    Ok(())
}

/// Writes each served file compressed, and `swagger.rs` with the constants that include them.
fn unpack_swagger(out: &Path) -> Result<(), Box<dyn Error>> {
    // Compressing takes seconds in an unoptimised build script, and this one runs after every edit.
    let made_by = format!("// {} {:016x}\n", SWAGGER_UI_VENDORED.len(), Fnv::of(include_bytes!("build.rs")).0);
    let constants = out.join("swagger.rs");
    if fs::read_to_string(&constants).is_ok_and(|existing| existing.starts_with(&made_by)) {
        return Ok(());
    }
    let mut archive = zip::ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    let mut code = made_by;
    let mut tag = Fnv::default();
    for (constant, file) in SERVED {
        let mut content = Vec::new();
        archive.by_name(&format!("{DIST}/{file}"))?.read_to_end(&mut content)?;
        tag.add(&content);
        let (stem, extension) = file.rsplit_once('.').ok_or("a served file needs an extension")?;
        let name = format!("{stem}-{:016x}.{extension}", Fnv::of(&content).0);
        // Without a name and a time in its head, gzip of the same bytes is the same bytes.
        let mut gzip = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::best());
        gzip.write_all(&content)?;
        fs::write(out.join(file).with_extension("gz"), gzip.finish()?)?;
        let compressed = Path::new(file).with_extension("gz");
        code.push_str(&format!(
            "const SWAGGER_{constant}: Hashed = Hashed {{ plain: {file:?}, name: {name:?}, \
             gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{}\")) }};\n",
            compressed.display()
        ));
    }
    code.push_str(&format!("const SWAGGER_TAG: &str = \"{:016x}\";\n", tag.0));
    fs::write(constants, code)?;
    Ok(())
}

/// FNV-1a: a fingerprint to tell contents apart, which guards nothing.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn of(bytes: &[u8]) -> Self {
        let mut hash = Self::default();
        hash.add(bytes);
        hash
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
