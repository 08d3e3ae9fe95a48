//! What syncs owe those who wait for them: a history that has everything, an end when their process ends, a turn for
//! everybody, and certificates of the operator's own.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use claribi::domain::access::Scope;
use claribi::outbound::guard::Guard;
use claribi::outbound::resolve::Names;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::actors::Part;
use crate::binary::{Installation, text};
use crate::connected::{connected, of_url, syncs};
use crate::patience::{until, until_so};
use crate::sources::sales;
use crate::web::{Page, Site};
use crate::world::World;

const SOURCES: &str = "/v1/data-sources";

#[tokio::test(flavor = "multi_thread")]
async fn loads_of_files_stand_in_the_history_of_syncs_with_rows_and_durations() {
    let world = World::new().await;
    let owner = world.owner().await;
    sales(&owner).await;
    let send = async |mode: &str, bytes: &[u8]| {
        let files = [Part::Field("mode", mode), Part::File("orders.csv", bytes)];
        owner.upload(&format!("{SOURCES}/ds_1/files"), &files).await
    };
    send("append", b"day,region,amount,note\n2026-05-01,east,1,\n").await.is(200);
    send("replace", b"\0\x01\x02").await.refuses(422, "invalid_file");
    send("append", b"day,region\nno day,east\n").await.refuses(422, "invalid_file");
    let source = send("replace", b"day,amount\n2026-05-01,1\n").await.is(200);
    assert_eq!(source["last_sync"]["status"], "succeeded");
    let history = syncs(&owner, "ds_1").await;
    let told: Vec<Value> = history
        .iter()
        .map(|sync| json!([sync["trigger"], sync["status"], sync["rows"], sync["error"]["code"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["create", "succeeded", 4, null]),
            json!(["api", "succeeded", 5, null]),
            json!(["api", "failed", null, "invalid_file"]),
            json!(["api", "failed", null, "invalid_file"]),
            json!(["api", "succeeded", 1, null]),
        ]
    );
    assert!(history.iter().all(|sync| sync["duration_ms"].is_u64()), "{history:?}");
    let stale = [Part::Field("mode", "append"), Part::File("orders.csv", b"day,amount\n2026-05-01,1\n")];
    let asked = owner.form(&format!("{SOURCES}/ds_1/files"), &stale, "bound").header("if-match", "\"other\"");
    asked.send().await.refuses(412, "precondition_failed");
    assert_eq!(syncs(&owner, "ds_1").await.len(), 5, "what is refused has not begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_that_a_source_was_made_with_are_shown() {
    let world = World::new().await;
    let owner = world.owner().await;
    let options = json!({
        "separator": ";", "nulls": ["?"], "columns": {"day": {"type": "date", "format": "%d.%m.%Y"}},
        "files": {"till.csv": {"header": true}},
    });
    let parts = [
        Part::Field("name", "Till"),
        Part::Field("options", &options.to_string()),
        Part::File("till.csv", b"day;n\n31.01.2026;?\n"),
    ];
    assert_eq!(owner.upload(SOURCES, &parts).await.is(201)["options"], options);
    sales(&owner).await;
    let reader = world.key(Scope::ReadOnly).await;
    assert_eq!(reader.get(&format!("{SOURCES}/ds_1")).await.is(200)["options"], options);
    assert_eq!(reader.get("/api/v1/data-sources/").await.is(200)["data"][1]["options"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_trickles_is_given_up_long_before_the_whole_time_is_over() {
    let world = World::with(|plot| plot.settings.outbound.patience = Duration::from_millis(200)).await;
    let (site, owner) = (Site::open().await, world.owner().await);
    let url = site.put("/stalled.csv", Page::Stalled);
    let refusal = owner.post(SOURCES, of_url("Slow", &url)).await.refuses(422, "source_unavailable");
    assert!(refusal["message"].as_str().unwrap().contains("too slowly"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_servers_of_one_organisation_hold_up_no_other() {
    let world = World::with(|plot| plot.settings.upload_wait = Duration::ZERO).await;
    let (site, owner, stranger) = (Site::open().await, world.owner().await, world.stranger().await);
    for number in 0..8 {
        let url = site.put(&format!("/held{number}.csv"), Page::Held("a\n1\n".to_owned()));
        owner.post(SOURCES, of_url(&format!("Held {number}"), &url)).await.is(202);
    }
    let url = site.put("/quick.csv", Page::File("a\n1\n".to_owned()));
    let id = stranger.post(SOURCES, of_url("Quick", &url)).await;
    let id = id.json()["id"].as_str().unwrap().to_owned();
    let read = async || {
        let source = stranger.get(&format!("{SOURCES}/{id}")).await.is(200);
        Some(source).filter(|source| source["status"] != "syncing")
    };
    let quick = until("the other's data", read).await;
    assert_eq!(quick["status"], "active");
    assert!(site.heads().len() <= 3, "the others of the first wait for their turn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_pauses_with_its_reason_when_the_trial_is_over_and_goes_on_with_another_plan() {
    let world = World::with(|plot| plot.plan = "trial").await;
    let (site, session) = (Site::open().await, world.owner_session().await);
    connected(&session, &site).await;
    let daily = json!({"schedule": {"cron": "@daily"}});
    let source = session.patch(&format!("{SOURCES}/ds_1"), daily).await.is(200);
    assert_eq!(source["schedule"]["paused"], Value::Null);
    world.pass(15 * 86_400);
    assert!(world.app.sync_due().await.unwrap().is_empty());
    let session = world.owner_session().await;
    let paused = session.get(&format!("{SOURCES}/ds_1")).await.is(200);
    assert_eq!(
        (&paused["schedule"]["paused"], &paused["last_sync"]["trigger"]),
        (&json!("trial_ended"), &json!("create"))
    );
    assert_eq!(paused["schedule"]["next_sync_at"], "2026-04-22T00:00:00Z", "it is looked at again at its next time");
    world.change_file("UPDATE organizations SET plan = 'starter'", []).await;
    world.pass(86_400);
    for running in world.app.sync_due().await.unwrap() {
        running.await.unwrap().unwrap();
    }
    let session = world.owner_session().await;
    let resumed = session.get(&format!("{SOURCES}/ds_1")).await.is(200);
    assert_eq!((&resumed["schedule"]["paused"], &resumed["last_sync"]["trigger"]), (&Value::Null, &json!("schedule")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_killed_holds_nothing_up() {
    let site = Site::open().await;
    let url = site.put("/rates.csv", Page::File("day,rate\n2026-04-01,1.5\n".to_owned()));
    let installation = Installation::new();
    let allow = ("CLARIBI_OUTBOUND__ALLOW", site.address.to_string());
    let run = |arguments: &[&str]| {
        let output = installation.run_with_variables(arguments, &[(allow.0, allow.1.clone())], "");
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, complained) = run(&["source", "add", &url, "--name", "Rates"]);
    assert_eq!(code, 0, "{complained}");
    site.put("/rates.csv", Page::Held(String::new()));
    site.put("/new.csv", Page::Held(String::new()));
    for arguments in [vec!["source", "sync", "rates"], vec!["source", "add", &site.url("/new.csv"), "--name", "New"]] {
        let asked = site.heads().len();
        let mut command = installation.command(&arguments);
        let mut killed = command.env(allow.0, &allow.1).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let begun = || {
            assert!(killed.try_wait().unwrap().is_none(), "{arguments:?} ended by itself");
            site.heads().len() > asked
        };
        until_so("the command's request", begun).await;
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    site.put("/rates.csv", Page::File("day,rate\n2026-04-01,1.5\n2026-04-02,2\n".to_owned()));
    let (code, said, complained) = run(&["source", "sync", "rates", "--json"]);
    let synced: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{code} {said}{complained}"));
    assert_eq!((&synced["status"], &synced["rows"]), (&json!("succeeded"), &json!(2)), "it has not joined the dead");
    let (_, said, _) = run(&["source", "show", "new", "--json"]);
    let left: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(left["status"], "error", "{left}");
    assert!(left["error"].as_str().unwrap().contains("command stopped"), "{left}");
    let leases = || std::fs::read_dir(installation.data().join("leases")).unwrap().count();
    assert_eq!(leases(), 0, "nothing is left of processes that are no more");
    let left = |name: &str| {
        let path = installation.data().join("leases").join(name);
        std::fs::write(&path, "").unwrap();
        std::fs::File::options().write(true).open(path).unwrap()
    };
    let (_somebody, killed, _beginning) = (left("somebody"), left("killed.new"), left("beginning.new"));
    let long_ago = killed.metadata().unwrap().modified().unwrap() - Duration::from_secs(3_600);
    killed.set_modified(long_ago).unwrap();
    assert_eq!(installation.serve().stop(), Some(0));
    assert_eq!(leases(), 1, "nor of those that had nothing to do any more; one is being made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_lives_goes_on_when_another_server_starts_beside_it() {
    let site = Site::open().await;
    let url = site.put("/rates.csv", Page::File("day,rate\n2026-04-01,1.5\n".to_owned()));
    let installation = Installation::new();
    let allow = ("CLARIBI_OUTBOUND__ALLOW", site.address.to_string());
    let added =
        installation.run_with_variables(&["source", "add", &url, "--name", "Rates"], std::slice::from_ref(&allow), "");
    assert!(added.status.success(), "{}", text(&added.stderr));
    let first = installation.serve();
    site.put("/rates.csv", Page::Held("day,rate\n2026-04-01,1.5\n2026-04-02,2\n".to_owned()));
    let asked = site.heads().len();
    let mut command = installation.command(&["source", "sync", "rates", "--json"]);
    let command = command.env(allow.0, &allow.1).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until_so("the command's request", || site.heads().len() > asked).await;
    assert_eq!(first.stop(), Some(0));
    let second = installation.serve();
    site.go_on();
    let output = command.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let synced: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!((&synced["status"], &synced["rows"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(second.stop(), Some(0));
    let counted = installation.run(&["query", "SELECT count(*) AS n FROM rates.rates"]);
    assert_eq!(text(&counted.stdout), "n\n2\n", "{}", text(&counted.stderr));
}

fn openssl(directory: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let output =
        command.args(arguments.split(' ')).current_dir(directory).output().expect("tests/run installs openssl");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// A server with a certificate of an authority that nobody knows; the authority's, and the URL of a file.
fn private_server(directory: &Path) -> (Vec<u8>, String) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        directory,
        &format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=Own -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
        ),
    );
    openssl(directory, &format!("req {key} -keyout leaf.key -out leaf.csr -subj /CN=leaf"));
    std::fs::write(directory.join("leaf.ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n").unwrap();
    openssl(
        directory,
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem -days 2 -extfile leaf.ext",
    );
    let certificate = CertificateDer::from_pem_file(directory.join("leaf.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("leaf.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/rates.csv", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream.unwrap());
            let mut head = [0; 4_096];
            // Who does not believe the certificate hangs up here.
            if stream.read(&mut head).is_ok_and(|read| read > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\na\n1\n");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    (std::fs::read(directory.join("ca.pem")).unwrap(), url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_a_private_authority_is_believed_by_the_operators_word_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, url) = private_server(directory.path());
    let without = World::new().await;
    let refusal = without.owner().await.post(SOURCES, of_url("Own", &url)).await.refuses(422, "source_unavailable");
    assert!(refusal["message"].as_str().unwrap().contains("certificate"), "{refusal}");
    let guard = Guard::new(vec!["127.0.0.1".parse().unwrap()], Names::System).trusting(&authority).unwrap();
    let world = World::with(|plot| plot.settings.outbound.guard = Arc::new(guard)).await;
    let source = world.owner().await.post(SOURCES, of_url("Own", &url)).await.is(201);
    assert_eq!(source["tables"][0]["rows"], 1);
}

#[test]
fn authorities_that_cannot_be_used_are_said_so_at_the_start() {
    let installation = Installation::new();
    let empty = installation.data().with_file_name("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for path in [empty.to_str().unwrap(), "/nowhere/ca.pem"] {
        let said = installation.run_with_variable("CLARIBI_OUTBOUND__CA_FILE", path);
        assert!(said.contains("`outbound.ca_file`") && said.contains(path), "{said}");
    }
}
