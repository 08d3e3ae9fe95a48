//! Servers that give something else than they said, or ask for something themselves.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::json;

use super::SOURCES;
use crate::world::World;

/// Speaks PostgreSQL's protocol, and says at first that there are so many columns, then so many, and gives so many
/// values. Gives its port.
fn liar(columns: [u16; 2], values: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // It ends when the client goes.
            std::thread::spawn(move || lie(client, columns, values));
        }
    });
    port
}

fn lie(mut client: TcpStream, columns: [u16; 2], values: u16) -> Option<()> {
    let length = read_length(&mut client)?;
    read(&mut client, length)?;
    let parameter = b"server_version\x0016.0\0";
    let hello = [message(b'R', &[0; 4]), message(b'S', parameter), message(b'Z', b"I")].concat();
    client.write_all(&hello).ok()?;
    let mut prepared = 0;
    loop {
        let kind = read(&mut client, 1)?[0];
        let length = read_length(&mut client)?;
        read(&mut client, length)?;
        let answer = match kind {
            b'Q' => [message(b'C', b"BEGIN\0"), message(b'Z', b"T")].concat(),
            b'P' => {
                prepared += 1;
                message(b'1', b"")
            }
            b'D' => [message(b't', &[0, 0]), described(columns[usize::from(prepared > 1)])].concat(),
            b'B' => message(b'2', b""),
            b'E' => [row(values), message(b'C', b"SELECT 1\0")].concat(),
            b'S' => message(b'Z', b"T"),
            b'C' => message(b'3', b""),
            _ => return None,
        };
        client.write_all(&answer).ok()?;
    }
}

fn read(client: &mut TcpStream, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// The length of what follows a message's length.
fn read_length(client: &mut TcpStream) -> Option<usize> {
    let length = u32::from_be_bytes(read(client, 4)?.try_into().unwrap());
    usize::try_from(length).unwrap().checked_sub(4)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

/// So many columns of whole numbers of four bytes.
fn described(columns: u16) -> Vec<u8> {
    let mut body = columns.to_be_bytes().to_vec();
    for number in 0..columns {
        body.extend(format!("c{number}\0").bytes());
        body.extend([0_u32.to_be_bytes().as_slice(), &[0; 2], &23_u32.to_be_bytes(), &[0, 4]].concat());
        body.extend([(-1_i32).to_be_bytes().as_slice(), &[0, 1]].concat());
    }
    message(b'T', &body)
}

fn row(values: u16) -> Vec<u8> {
    let value = [4_u32.to_be_bytes(), 7_u32.to_be_bytes()].concat();
    message(b'D', &[values.to_be_bytes().to_vec(), value.repeat(values.into())].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_other_columns_than_it_said_is_told_as_one() {
    let world = World::new().await;
    let owner = world.owner().await;
    for (columns, values) in [([1, 2], 2), ([2, 1], 1), ([1, 1], 0), ([2, 2], 1), ([1, 1], 1)] {
        let port = liar(columns, values);
        let connection = json!({"host": "127.0.0.1", "port": port, "database": "d", "user": "u", "tls": "off", "queries": {"q": "SELECT 1"}});
        let body = json!({"name": format!("copied {port}"), "kind": "postgres", "connection": connection});
        let copied = owner.post(SOURCES, body).await;
        let connection =
            json!({"host": "127.0.0.1", "port": port, "database": "d", "user": "u", "tls": "off", "tables": ["t"]});
        let body =
            json!({"name": format!("live {port}"), "kind": "postgres", "mode": "live", "connection": connection});
        let source = owner.post(SOURCES, body).await.is(201);
        let asked = owner.post("/v1/query", json!({"sql": "SELECT 1", "data_source_id": source["id"]})).await;
        if values == columns[0] && columns[0] == columns[1] {
            copied.is(201);
            assert_eq!(asked.is(200)["rows"], json!([[7]]));
        } else {
            let told = copied.refuses(422, "source_unavailable");
            assert!(told["message"].as_str().unwrap().contains("broke off"), "{columns:?} {values}: {told}");
            asked.refuses(422, "source_unavailable");
        }
    }
}

/// Speaks MySQL's protocol, lets everyone in, and answers each query by asking for a file of the client's machine. Gives
/// its port, and what clients send after that.
fn thief(file: &'static str) -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sent, heard) = channel();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let sent = sent.clone();
            std::thread::spawn(move || ask_for(client, file, &sent));
        }
    });
    (port, heard)
}

fn ask_for(mut client: TcpStream, file: &str, sent: &Sender<Vec<u8>>) -> Option<()> {
    // The greeting of protocol 10: with LOCAL INFILE (0x80), passwords of old and plugins.
    let capabilities: u32 = 0x0008_a281;
    let [low, high] =
        [capabilities & 0xffff, capabilities >> 16].map(|half| u16::try_from(half).unwrap().to_le_bytes());
    let greeting = [
        &b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0"[..],
        &low,
        b"\x2d\x02\0",
        &high,
        b"\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0mysql_native_password\0",
    ];
    client.write_all(&packet(0, &greeting.concat())).ok()?;
    let (number, _) = read_packet(&mut client)?;
    client.write_all(&packet(number + 1, b"\0\0\0\x02\0\0\0")).ok()?;
    loop {
        let (number, asked) = read_packet(&mut client)?;
        // A query is asked for a file; all else is well.
        let is_query = asked.first() == Some(&3);
        let answer = if is_query { [b"\xfb", file.as_bytes()].concat() } else { b"\0\0\0\x02\0\0\0".to_vec() };
        client.write_all(&packet(number + 1, &answer)).ok()?;
        if is_query {
            let (number, given) = read_packet(&mut client).unwrap_or_default();
            let _ = sent.send(given);
            client.write_all(&packet(number + 1, b"\0\0\0\x02\0\0\0")).ok()?;
        }
    }
}

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&length[..3], &[number], body].concat()
}

fn read_packet(client: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let head = read(client, 4)?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    Some((head[3], read(client, length)?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_a_file_gets_none() {
    let (world, (port, heard)) = (World::new().await, thief("/etc/passwd"));
    let owner = world.owner().await;
    let connection = json!({"host": "127.0.0.1", "port": port, "database": "d", "user": "u", "tls": "off"});
    for mode in ["extract", "live"] {
        let body = json!({"name": mode, "kind": "mysql", "mode": mode, "connection": connection});
        let refused = owner.post(SOURCES, body).await;
        refused.refuses(422, "source_unavailable");
        assert!(!refused.text().contains("root:"), "{}", refused.text());
    }
    let given: Vec<Vec<u8>> = heard.try_iter().collect();
    assert!(!given.is_empty(), "nobody was asked");
    assert!(given.iter().all(Vec::is_empty), "{given:?}");
}
