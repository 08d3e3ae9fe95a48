//! Servers that give something else than they said.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

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
