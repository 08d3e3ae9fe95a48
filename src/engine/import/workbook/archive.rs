//! Whether an archive may be unpacked, asked before any of it is parsed. What its directory says is checked first, and
//! then counted: a directory may lie.

use std::fs::File;
use std::io::{self, BufReader, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::super::fault::Fault;

/// Entries of an archive.
const MAX_ENTRIES: usize = 1_000;
/// Bytes of all its entries when unpacked.
const MAX_BYTES: u64 = 512 << 20;
/// Bytes of the texts that a workbook's sheets share, which are all held in memory at once.
const MAX_SHARED: u64 = 128 << 20;
/// How many times its size an entry may become; repeated rows reach some dozens.
const MAX_RATIO: u64 = 200;
/// What is smaller than this may have any ratio.
const SMALL: u64 = 8 << 20;

/// Which workbook an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Office Open XML.
    Xlsx,
    /// OpenDocument.
    Ods,
}

/// The format of a workbook whose entries are all within bounds.
pub fn checked(file: File) -> Result<Format, Fault> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let bomb = |reason: String| Err(Fault::Bomb { reason });
    if archive.len() > MAX_ENTRIES {
        return bomb(format!("is an archive of more than {MAX_ENTRIES} files"));
    }
    let format = format_of(&archive)?;
    if archive.has_duplicate_names() || archive.has_overlapping_entries().map_err(damaged)? {
        return bomb("is an archive whose files overlap".to_owned());
    }
    let mut total = 0_u64;
    let mut buffer = vec![0; 64 << 10];
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).map_err(damaged)?;
        let limit = if is_shared(&entry.name().map_err(damaged)?) { MAX_SHARED } else { MAX_BYTES };
        let packed = entry.compressed_size().max(1);
        let mut length = 0;
        loop {
            if length > limit || total + length > MAX_BYTES || entry.size() > MAX_BYTES {
                return bomb(format!("unpacks to more than {limit} bytes"));
            }
            if length > SMALL && length / packed > MAX_RATIO {
                return bomb(format!("unpacks to more than {MAX_RATIO} times its size"));
            }
            match entry.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => length += count as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Fault::Damaged("a workbook")),
            }
        }
        total += length;
    }
    Ok(format)
}

fn is_shared(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("sharedstrings.xml") || name.ends_with("styles.xml")
}

fn format_of<R: Read + io::Seek>(archive: &ZipArchive<R>) -> Result<Format, Fault> {
    let has = |name: &str| archive.file_names_raw().any(|found| found.eq_ignore_ascii_case(name.as_bytes()));
    if has("xl/workbook.bin") {
        return Err(Fault::Foreign("a binary workbook (XLSB)"));
    }
    if has("xl/workbook.xml") {
        return Ok(Format::Xlsx);
    }
    let has_sheets = archive.file_names_raw().any(|found| found.starts_with(b"xl/"));
    match (has("content.xml"), has_sheets) {
        (true, _) => Ok(Format::Ods),
        (false, true) => Ok(Format::Xlsx),
        (false, false) => Err(Fault::Foreign("a zip archive")),
    }
}

/// What an error of the archive says of the file.
pub fn damaged(error: ZipError) -> Fault {
    match error {
        ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof && error.raw_os_error().is_some() => {
            Fault::Machine(error)
        }
        _ => Fault::Damaged("a workbook"),
    }
}
