//! The first setup: nothing has a default password, and the link that makes the first owner works once.

use std::os::unix::fs::PermissionsExt;

use claribi::service::adopt::Adopt;
use serde_json::{Value, json};

use crate::binary::{Installation, text};
use crate::coverage::entries;
use crate::patience::comes_true_here;
use crate::world::{Background, Founded, PASSWORD, World};

async fn empty() -> World {
    World::with(|plot| {
        plot.founded = Founded::NotYet;
        plot.background = Background::LeftLying;
    })
    .await
}

fn link(world: &World) -> String {
    world.app.offer_setup().unwrap().unwrap().to_string()
}

fn choice(token: &str) -> Value {
    json!({"token": token, "organization": "Acme Corp", "email": "Ada@Example.com", "password": PASSWORD})
}

const PATH: &str = "/api/setup/";

#[tokio::test(flavor = "multi_thread")]
async fn before_the_setup_every_operation_but_one_is_refused_saying_what_to_do() {
    let world = empty().await;
    let anyone = world.bearer("claribi_sk_live_nobody");
    for entry in entries().iter().filter(|entry| !entry.operation.sets_up()) {
        for actor in [&anyone, &world.anonymous()] {
            let answer = entry.call(actor).await;
            answer.refuses(403, "setup_required");
            assert!(answer.text().contains("claribi serve"), "{}", answer.text());
        }
    }
    anyone.get("/v1/nothing").await.refuses(404, "not_found");
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/", 200), ("/setup", 200)] {
        assert_eq!(anyone.get(path).await.status, status, "{path}");
    }
    for email in ["admin", "admin@example.com", "owner@example.com"] {
        let login = json!({"email": email, "password": "admin"});
        world.anonymous().post("/api/auth/login/", login).await.refuses(403, "setup_required");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_makes_the_owner_once_and_then_there_is_nothing_at_its_place() {
    let world = empty().await;
    let (token, anyone) = (link(&world), world.anonymous());
    let page = anyone.get("/setup").await;
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'self'"));
    assert!(page.text().contains("/assets/setup.js"));
    let tokens = anyone.post(PATH, choice(&token)).await.is(200);
    let owner = world.bearer(tokens["access"].as_str().unwrap());
    let status = owner.get("/api/auth/status/").await.is(200);
    assert_eq!(
        (&status["user"]["email"], &status["user"]["role"], &status["organization"]["name"]),
        (&json!("ada@example.com"), &json!("owner"), &json!("Acme Corp"))
    );
    assert_eq!(status["organization"]["plan"], "enterprise");
    owner.post("/v1/keys", json!({"name": "first"})).await.is(201);

    anyone.post(PATH, choice(&token)).await.refuses(404, "not_found");
    anyone.get("/setup").await.refuses(404, "not_found");
    assert!(world.app.offer_setup().unwrap().is_none());
    assert!(!world.is_written_down(&token));
    let app = world.app.clone();
    tokio::task::spawn_blocking(move || app.adopt_changes(Adopt::All)).await.unwrap().unwrap();
    let founded: Vec<_> =
        world.events().into_iter().filter(|event| event.detail.contains("organization.create")).collect();
    assert_eq!((founded.len(), founded[0].actor.as_str()), (1, "setup link"));
    let call = world.calls().into_iter().find(|call| call.operation.as_deref() == Some("setup_complete")).unwrap();
    assert_eq!((call.status, call.org), (200, Some(1)));

    let world = world.restarted().await;
    world.anonymous().post(PATH, choice(&token)).await.refuses(404, "not_found");
    assert!(world.app.offer_setup().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_for_half_an_hour_and_until_the_next_one() {
    let world = empty().await;
    let anyone = world.anonymous();
    anyone.post(PATH, choice("")).await.refuses(401, "invalid_token");
    let first = link(&world);
    for wrong in ["", "0", &first[1..], &first.to_uppercase().replace(char::is_numeric, "x"), &format!("{first} ")] {
        anyone.post(PATH, choice(wrong)).await.refuses(401, "invalid_token");
    }
    let second = link(&world);
    assert_ne!(first, second);
    anyone.post(PATH, choice(&first)).await.refuses(401, "invalid_token");
    world.pass(30 * 60);
    let refused = anyone.post(PATH, choice(&second)).await;
    refused.refuses(401, "invalid_token");
    assert!(refused.message().contains("Start the server again"), "{}", refused.message());
    let third = link(&world);
    world.pass(30 * 60 - 1);
    anyone.post(PATH, choice(&third)).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_is_refused_leaves_the_link_as_it_is() {
    let world = empty().await;
    let (token, anyone) = (link(&world), world.anonymous());
    for (field, value) in
        [("password", "short"), ("password", "leavemealone"), ("password", "ada@example.com"), ("email", "nobody")]
    {
        let mut choice = choice(&token);
        choice[field] = json!(value);
        let refused = anyone.post(PATH, choice).await.refuses(400, "invalid_request");
        assert_eq!(refused["field"], field, "{value}");
    }
    anyone.post(PATH, choice(&token)).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_have_the_link_one_becomes_the_owner() {
    let world = empty().await;
    let (token, anyone) = (link(&world), world.anonymous());
    let all: Vec<_> = (0..8)
        .map(|number| {
            let (anyone, mut choice) = (anyone.clone(), choice(&token));
            choice["email"] = json!(format!("owner-{number}@example.com"));
            tokio::spawn(async move { anyone.post(PATH, choice).await.status })
        })
        .collect();
    let mut made = 0;
    for one in all {
        let status = one.await.unwrap();
        assert!([200, 401, 404].contains(&status), "{status}");
        made += usize::from(status == 200);
    }
    assert_eq!(made, 1);
    assert_eq!(world.app.orgs().unwrap().len(), 1);
}

#[test]
fn serve_prints_a_fresh_link_at_each_start_until_there_is_an_owner() {
    let installation = Installation::without_an_owner();
    let said = |serving: &crate::binary::Serving| {
        // Its line is whole when it is written down.
        let is_told = comes_true_here(|| serving.said().contains("/setup#"));
        assert!(is_told, "no link: {}{}", serving.said(), serving.log());
        serving.said().split_once("/setup#").unwrap().1.trim().to_owned()
    };
    let serving = installation.serve();
    let first = said(&serving);
    assert!(first.len() == 64 && serving.said().contains(&format!("http://{}/setup#", serving.address)));
    assert!(!serving.log().contains(&first), "the log is kept and read by others");
    assert_eq!(serving.stop(), Some(0));

    let serving = installation.serve();
    let second = said(&serving);
    assert_ne!(first, second);
    assert_eq!(serving.post(PATH, "", &choice(&first).to_string()).unwrap().status, 401);
    let made = serving.post(PATH, "", &choice(&second).to_string()).unwrap();
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(serving.stop(), Some(0));

    let serving = installation.serve();
    let login = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    assert_eq!(serving.post("/api/auth/login/", "", &login).unwrap().status, 200);
    assert!(!serving.said().contains("/setup#"), "{}", serving.said());
}

#[test]
fn a_server_does_not_start_with_what_others_can_read_or_guess() {
    let installation = Installation::new();
    let data = installation.data();
    let refused = || {
        let ended = installation.run(&["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(ended.status.code(), Some(1));
        text(&ended.stderr)
    };
    let mode = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&data, 0o755);
    assert!(refused().contains("chmod go-rwx"));
    mode(&data, 0o700);
    mode(&data.join("secrets/pepper"), 0o644);
    assert!(refused().contains("`pepper` can be read by other users"));
    mode(&data.join("secrets/pepper"), 0o600);
    for (written, words) in [
        (format!("1 {}\n", "ab".repeat(32)), "`pepper` is weak"),
        ("1 abcd\n".to_owned(), "`pepper` is empty, too short or damaged"),
        (String::new(), "`pepper` is empty, too short or damaged"),
    ] {
        std::fs::write(data.join("secrets/pepper"), written).unwrap();
        let said = refused();
        assert!(said.contains(words), "{said}");
    }
}
