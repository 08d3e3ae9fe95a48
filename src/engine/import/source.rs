//! A file as a stream of text: decompressed, bounded, checked for binary content, and brought to UTF-8.
//!
//! Kinds are told by the first bytes, never by the name. Nothing is held but one chunk.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::read::MultiGzDecoder;

use super::fault::Fault;
pub use crate::domain::import::TextEncoding as Encoding;

/// Bytes read at once, after decompression.
const CHUNK: usize = 256 << 10;
const BUFFER: usize = 64 << 10;

/// A file being read.
pub struct Source {
    input: Box<dyn Read>,
    compression: Option<&'static str>,
    read: Rc<Cell<u64>>,
    length: u64,
    limit: u64,
    /// Offset of `raw` in the decompressed file.
    offset: u64,
    raw: Vec<u8>,
    text: Vec<u8>,
    encoding: Encoding,
    decoder: Option<Decoder>,
    ended: bool,
}

impl Source {
    /// Opens the file and tells its compression and encoding; at most `limit` decompressed bytes will be read.
    ///
    /// `encoding` overrides what the first chunk suggests, for a file whose later bytes proved it wrong.
    pub fn open(path: &Path, limit: u64, encoding: Option<Encoding>) -> Result<Self, Fault> {
        let Opened { input, compression, read, length } = opened(path)?;
        let mut source = Self {
            input,
            compression,
            read,
            length,
            limit,
            offset: 0,
            raw: Vec::new(),
            text: Vec::new(),
            encoding: Encoding::Utf8,
            decoder: None,
            ended: false,
        };
        source.begin(encoding)?;
        Ok(source)
    }

    /// The share of the file that was read, from 0 to 1, in bytes as they lie on disk.
    #[expect(clippy::cast_precision_loss, reason = "progress needs no exactness")]
    pub fn fraction(&self) -> f64 {
        if self.length == 0 { 1.0 } else { (self.read.get() as f64 / self.length as f64).min(1.0) }
    }

    /// The encoding that is read.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The chunk at hand: UTF-8 unless a later byte proves the file to be Windows-1252. Empty at the end.
    pub fn chunk(&self) -> &[u8] {
        if self.decoder.is_some() { &self.text } else { &self.raw }
    }

    /// Goes to the next chunk; `false` at the end.
    pub fn advance(&mut self) -> Result<bool, Fault> {
        // A decoder may turn a few bytes into no text yet, so the end is told by the file, not by the text.
        loop {
            if self.ended {
                self.raw.clear();
                self.text.clear();
                return Ok(false);
            }
            self.offset += self.raw.len() as u64;
            self.fill()?;
            self.decode()?;
            if !self.chunk().is_empty() {
                return Ok(true);
            }
        }
    }

    fn begin(&mut self, encoding: Option<Encoding>) -> Result<(), Fault> {
        self.fill()?;
        if self.raw.is_empty() {
            return Err(Fault::Empty);
        }
        if let Some(kind) = foreign(&self.raw) {
            return Err(Fault::Foreign(kind));
        }
        let (sniffed, mark) = sniff(&self.raw);
        self.encoding = encoding.unwrap_or(sniffed);
        self.decoder = match self.encoding {
            Encoding::Utf8 => None,
            Encoding::Utf16Le => Some(UTF_16LE.new_decoder_without_bom_handling()),
            Encoding::Utf16Be => Some(UTF_16BE.new_decoder_without_bom_handling()),
            Encoding::Windows1252 => Some(WINDOWS_1252.new_decoder_without_bom_handling()),
        };
        self.raw.drain(..mark);
        self.offset += mark as u64;
        self.decode()
    }

    /// Reads a chunk of bytes; an incomplete one is the last.
    fn fill(&mut self) -> Result<(), Fault> {
        self.raw.resize(CHUNK, 0);
        let count = read_full(&mut self.input, &mut self.raw).map_err(|error| unread(self.compression, error))?;
        self.raw.truncate(count);
        self.ended = count < CHUNK;
        if self.offset + count as u64 > self.limit {
            return Err(Fault::TooLarge { limit: self.limit });
        }
        Ok(())
    }

    /// Checks the chunk and, where it is not UTF-8 already, converts it.
    fn decode(&mut self) -> Result<(), Fault> {
        let refused: fn(u8) -> bool = match self.encoding {
            Encoding::Utf8 => |byte| byte == 0,
            Encoding::Windows1252 => is_no_windows_1252,
            Encoding::Utf16Le | Encoding::Utf16Be => |_| false,
        };
        if let Some(position) = self.raw.iter().position(|byte| refused(*byte)) {
            return Err(Fault::Binary { offset: self.offset + position as u64, value: self.raw[position] });
        }
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        // No character takes more than three bytes of UTF-8 per byte of these encodings.
        self.text.resize(self.raw.len() * 3 + 16, 0);
        let (result, _, written) = decoder.decode_to_utf8_without_replacement(&self.raw, &mut self.text, self.ended);
        self.text.truncate(written);
        if let DecoderResult::Malformed(..) = result {
            return Err(Fault::MalformedUtf16 { offset: self.offset });
        }
        if let Some(position) = self.text.iter().position(|byte| *byte == 0) {
            return Err(Fault::Binary { offset: self.offset + position as u64, value: 0 });
        }
        Ok(())
    }
}

/// A file as the bytes that were compressed in it, if they were.
pub struct Opened {
    /// The bytes.
    pub input: Box<dyn Read>,
    /// How they were compressed.
    pub compression: Option<&'static str>,
    read: Rc<Cell<u64>>,
    length: u64,
}

/// Opens a file, and tells by its first bytes whether it is compressed.
pub fn opened(path: &Path) -> Result<Opened, Fault> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let read = Rc::new(Cell::new(0));
    let mut counted = Counted { inner: file, read: Rc::clone(&read) };
    let mut magic = [0; 4];
    let found = read_full(&mut counted, &mut magic)?;
    let start = io::Cursor::new(magic[..found].to_vec()).chain(counted);
    let (input, compression): (Box<dyn Read>, _) = match magic[..found] {
        [0x1f, 0x8b, ..] => (Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, start))), Some("gzip")),
        [0x28, 0xb5, 0x2f, 0xfd] => (Box::new(zstd::Decoder::new(start)?), Some("zstd")),
        _ => (Box::new(start), None),
    };
    Ok(Opened { input, compression, read, length })
}

/// What an error of reading decompressed bytes says of the file.
pub fn unread(compression: Option<&'static str>, error: io::Error) -> Fault {
    match (compression, error.kind()) {
        (Some(kind), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof) => {
            Fault::Compression(kind)
        }
        // zstd reports a damaged frame as an error without a kind of its own.
        (Some("zstd"), io::ErrorKind::Other) => Fault::Compression("zstd"),
        _ => Fault::Machine(error),
    }
}

/// Counts what is read from the disk.
struct Counted {
    inner: File,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Reads until `into` is full or the stream ends.
pub fn read_full(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match input.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A kind of file that has another way in.
pub const SQLITE: &str = "a SQLite database";

/// Kinds of files that people send for data.
fn foreign(start: &[u8]) -> Option<&'static str> {
    match start {
        [b'P', b'K', 3, 4, ..] => Some("a zip archive"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Some("an old workbook, or one with a password"),
        [b'%', b'P', b'D', b'F', ..] => Some("a PDF"),
        [b'S', b'Q', b'L', b'i', b't', b'e', ..] => Some(SQLITE),
        [b'B', b'Z', b'h', ..] if start.contains(&0) => Some("compressed with bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("compressed with xz"),
        _ => None,
    }
}

/// The encoding that the first chunk suggests, and the length of its byte order mark.
fn sniff(start: &[u8]) -> (Encoding, usize) {
    match start {
        [0xef, 0xbb, 0xbf, ..] => return (Encoding::Utf8, 3),
        [0xff, 0xfe, ..] => return (Encoding::Utf16Le, 2),
        [0xfe, 0xff, ..] => return (Encoding::Utf16Be, 2),
        _ => {}
    }
    let head = &start[..start.len().min(1_024) & !1];
    let zeros = |parity: usize| head.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // ASCII in UTF-16 has a zero in every second byte; text with few ASCII letters comes with a mark.
    let many = head.len() / 5;
    match (even, odd) {
        (0, odd) if odd > many && odd > 0 => (Encoding::Utf16Le, 0),
        (even, 0) if even > many && even > 0 => (Encoding::Utf16Be, 0),
        _ => (if is_utf8_so_far(start) { Encoding::Utf8 } else { Encoding::Windows1252 }, 0),
    }
}

/// Whether the bytes are UTF-8, but for a character that the end of the chunk cuts.
fn is_utf8_so_far(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && bytes.len() == CHUNK,
    }
}

/// Control characters other than tab and line ends, and the five bytes that Windows-1252 leaves undefined.
fn is_no_windows_1252(byte: u8) -> bool {
    matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 0x7f | 0x81 | 0x8d | 0x8f | 0x90 | 0x9d)
}
