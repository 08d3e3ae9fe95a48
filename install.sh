#!/bin/sh
# Installs claribi from a released file or from this source tree. Changes nothing but <prefix>/bin/claribi.
set -eu

usage() {
  cat <<'END'
Installs claribi.

  install.sh --file FILE [--sha256 HEX] [--prefix DIR]
  install.sh --from-source [--prefix DIR]

  --file FILE     a released binary, or a .tar.gz or .gz that holds one
  --sha256 HEX    the checksum that FILE must have; without it FILE.sha256 is used when it lies beside FILE
  --from-source   build this source tree with cargo
  --prefix DIR    install to DIR/bin (default: /usr/local as root, else ~/.local)
  --help          this text

Installing again replaces the program. To uninstall, delete DIR/bin/claribi.
END
}

say() { printf '%s\n' "$*"; }

fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

wrong() {
  printf 'install.sh: %s\nSee install.sh --help.\n' "$*" >&2
  exit 2
}

file='' checksum='' from_source='' prefix=''
while [ $# -gt 0 ]; do
  case $1 in
    --file | --sha256 | --prefix)
      if [ $# -lt 2 ] || [ -z "$2" ]; then wrong "$1 needs a value"; fi
      case $1 in
        --file) file=$2 ;;
        --sha256) checksum=$2 ;;
        --prefix) prefix=$2 ;;
      esac
      shift 2
      ;;
    --from-source) from_source=yes && shift ;;
    --help | -h) usage && exit 0 ;;
    *) wrong "unknown argument: $1" ;;
  esac
done

if [ -n "$file" ] && [ -n "$from_source" ]; then wrong "--file and --from-source exclude each other"; fi
if [ -z "$file$from_source" ]; then wrong "say --file FILE or --from-source"; fi
if [ -n "$checksum" ] && [ -z "$file" ]; then wrong "--sha256 needs --file"; fi
[ "$(uname -s)" = Linux ] || fail "claribi runs on Linux only"

if [ -z "$prefix" ]; then
  if [ "$(id -u)" -eq 0 ]; then prefix=/usr/local; else prefix=${HOME:?}/.local; fi
fi

work=$(mktemp -d)
new=
trap 'rm -rf "$work"; [ -z "$new" ] || rm -f "$new"' EXIT
trap 'exit 130' INT TERM

verify() {
  want=$checksum
  if [ -z "$want" ] && [ -f "$file.sha256" ]; then
    want=$(cut -c1-64 <"$file.sha256")
  fi
  if [ -z "$want" ]; then
    say "No checksum was given and there is no $file.sha256: the file is installed unchecked."
    return
  fi
  want=$(printf %s "$want" | tr 'A-F' 'a-f')
  got=$(sha256sum "$file" | cut -d ' ' -f 1)
  [ "$got" = "$want" ] || fail "$file has the checksum $got, not $want: download it again. Nothing was installed"
  say "The checksum is right."
}

unpack() {
  case $file in
    *.tar.gz | *.tgz)
      tar -xzf "$file" -C "$work"
      found=$(find "$work" -type f -name claribi | head -n 1)
      [ -n "$found" ] || fail "$file holds no file named claribi"
      [ "$found" = "$work/claribi" ] || mv "$found" "$work/claribi"
      ;;
    *.gz) gzip -dc "$file" >"$work/claribi" ;;
    *) cp "$file" "$work/claribi" ;;
  esac
}

build() {
  here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
  [ -f "$here/Cargo.toml" ] || fail "there is no source tree beside this script: use --file"
  command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs, then run this again"
  command -v cc >/dev/null || fail "a C compiler is missing: install gcc, then run this again"
  target=${CARGO_TARGET_DIR:-${HOME:?}/.cache/claribi/target}
  # A static program runs on every Linux of this processor; the target must be named for that to work.
  triple=$(rustc -vV | sed -n 's/^host: //p')
  say "Builds claribi with all optimisations into $target."
  say "That takes about 20 minutes on 2 cores and 3 GB of disk; a second time, only what changed."
  (cd "$here" && RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" CARGO_TARGET_DIR=$target \
    cargo build --locked --profile dist --target "$triple")
  cp "$target/$triple/dist/claribi" "$work/claribi"
}

if [ -n "$from_source" ]; then
  build
else
  [ -f "$file" ] || fail "$file is not there"
  verify
  unpack
fi

# Copied beside its place, tried there, then renamed: a program that does not run here replaces none that does, a
# running server keeps its file, and nobody sees half of one.
mkdir -p "$prefix/bin" 2>/dev/null || fail "$prefix/bin cannot be made: choose another --prefix, or run this as root"
prefix=$(CDPATH='' cd -- "$prefix" && pwd)
new=$prefix/bin/.claribi.new.$$
cp "$work/claribi" "$new" 2>/dev/null || fail "$prefix/bin cannot be written: choose another --prefix, or run this as root"
chmod 755 "$new"
version=$("$new" --version 2>/dev/null) || fail "this program does not run on this machine. Nothing was installed"
mv -f "$new" "$prefix/bin/claribi"
new=

say "Installed $version as $prefix/bin/claribi."
case :$PATH: in
  *:"$prefix/bin":*) program=claribi ;;
  *)
    program=$prefix/bin/claribi
    say "$prefix/bin is not in PATH: call it by its whole name, or add the directory yourself."
    ;;
esac
say ""
say "Next:"
say "  $program sandbox        try it with example data"
say "  $program init --help    make a data directory for your organisation"
