//! A frame is a little-endian `u32` length, one byte of kind, and that many bytes: JSON of a message, or raw bytes that
//! belong to the message before. Neither side accepts a frame over [`MAX_FRAME`].

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame, in bytes: a job names all tables of an organisation, and what their columns are called.
pub const MAX_FRAME: usize = 8 << 20;

/// The kinds of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A JSON message.
    Json = 0,
    /// The bytes that the message before announced.
    Bytes = 1,
}

/// The head of a frame: length and kind.
pub fn frame_head(kind: FrameKind, length: usize) -> io::Result<[u8; 5]> {
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame over the limit"));
    }
    let length = u32::try_from(length).map_err(io::Error::other)?.to_le_bytes();
    Ok([length[0], length[1], length[2], length[3], kind as u8])
}

/// Reads the head of a frame.
pub fn parse_head(head: [u8; 5]) -> io::Result<(FrameKind, usize)> {
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let kind = match head[4] {
        0 => FrameKind::Json,
        1 => FrameKind::Bytes,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown kind of frame")),
    };
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame over the limit"));
    }
    Ok((kind, length))
}

/// Writes one frame; the child's side, which blocks.
pub fn write_frame(out: &mut impl Write, kind: FrameKind, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&frame_head(kind, bytes.len())?)?;
    out.write_all(bytes)?;
    out.flush()
}

/// Writes one JSON message.
pub fn write_message(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    write_frame(out, FrameKind::Json, &serde_json::to_vec(message)?)
}

/// Reads one JSON message; the child's side, which blocks. `None` at the end of the stream.
pub fn read_message<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut head = [0; 5];
    match input.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (kind, length) = parse_head(head)?;
    if kind != FrameKind::Json {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message was expected"));
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}
