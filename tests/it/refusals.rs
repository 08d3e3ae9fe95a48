//! Who is refused, how, and that both headers say the same.

use claribi::domain::access::{Permission, Scope};
use claribi::domain::id::{IdRef, KeyId};
use claribi::domain::time::Timestamp;
use claribi::service::keys::KeyRequest;
use serde_json::json;

use crate::actors::{Actor, Credential};
use crate::world::{World, named};

/// Changes the last character of a text to another that is as good.
fn with_another_end(text: &str) -> String {
    let end = if text.ends_with('a') { 'b' } else { 'a' };
    format!("{}{end}", &text[..text.len() - 1])
}

/// A key of another installation: well formed, and known to nobody here.
async fn of_elsewhere() -> String {
    World::with(|plot| plot.seed = 2).await.owner().await.secret().to_owned()
}

/// Asks for the same by both headers and gives what both were answered.
async fn both(actor: &Actor, path: &str) -> (u16, String) {
    let (one, other) = (actor.get(path).await, actor.by_the_other_header().get(path).await);
    one.request_id();
    other.request_id();
    assert_eq!((one.status, one.masked(&[])), (other.status, other.masked(&[])), "both headers are answered alike");
    for name in ["www-authenticate", "retry-after", "x-ratelimit-limit", "content-type"] {
        assert_eq!(one.header(name), other.header(name), "{name}");
    }
    (one.status, one.code())
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_headers_are_refused_alike() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.requests_per_hour = 2)).await;
    let good = world.owner().await;
    let revoked = world.owner().await;
    let expired = {
        let expires_at = Some(Timestamp::from_seconds(world.clock.now().seconds() + 60));
        world.make_key(world.owner, KeyRequest { expires_at, ..named() }).await
    };
    let poor = world.key_with(&[Permission::ReportsRead]).await;
    let caller = world.operator_as(world.owner);
    world.app.revoke_key(&caller, &IdRef::Number(KeyId::new(2)), "key_2", None).await.unwrap();
    world.pass(60);

    for face in ["/v1/dashboards", "/api/v1/dashboards/", "/api/dashboards/"] {
        for malformed in ["claribi_sk_live_short", "x", "claribi_sk_live_%%%", &with_another_end(good.secret())] {
            assert_eq!(both(&world.bearer(malformed), face).await, code(401, "invalid_key"), "{malformed}");
        }
        assert_eq!(both(&world.bearer(&of_elsewhere().await), face).await, code(401, "invalid_key"));
        assert_eq!(both(&revoked, face).await, code(401, "key_revoked"));
        assert_eq!(both(&expired, face).await, code(401, "key_expired"));
    }
    assert_eq!(both(&poor, "/v1/dashboards").await, code(403, "permission_missing"));
    assert_eq!(both(&poor, "/v1/dashboards").await, code(429, "rate_limited"));
    assert_eq!(good.get("/v1/dashboards").await.status, 200);
    assert_eq!(good.by_the_other_header().get("/v1/dashboards").await.status, 200);
    assert_eq!(both(&good, "/v1/dashboards").await, code(429, "rate_limited"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_behind_a_known_prefix_says_nothing_about_the_key() {
    let world = World::new().await;
    let keys = [world.owner().await, world.owner().await];
    let caller = world.operator_as(world.owner);
    world.app.revoke_key(&caller, &IdRef::Number(KeyId::new(1)), "key_1", None).await.unwrap();
    let forged = forged(keys[0].secret(), keys[1].secret());
    let (wrong, unknown) =
        (world.bearer(&forged).get("/v1/dashboards").await, world.bearer("x").get("/v1/dashboards").await);
    wrong.refuses(401, "invalid_key");
    assert_eq!(wrong.masked(&[]), unknown.masked(&[]));
    keys[0].get("/v1/dashboards").await.refuses(401, "key_revoked");
}

/// A well-formed key with the public part of one and the secret part of another.
pub fn forged(public: &str, secret: &str) -> String {
    let body = format!("{}{}", &public[..24], &secret[24..46]);
    format!("{body}{}", checksum(&body))
}

/// CRC-32 (zlib) in base62, `0-9A-Za-z`, most significant first, six characters.
fn checksum(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    String::from_utf8(digits.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_is_told_from_a_wrong_one() {
    let world = World::new().await;
    for path in ["/v1/dashboards", "/api/v1/dashboards/", "/api/dashboards/"] {
        world.anonymous().get(path).await.refuses(401, "credentials_missing");
        world.actor(Credential::ApiKey(String::new())).get(path).await.refuses(401, "invalid_key");
        world.bearer("eyJhbGciOiJub25lIn0.e30.").get(path).await.refuses(401, "invalid_token");
        let basic = world.anonymous().request("GET", path).header("authorization", "Basic dTpw").send().await;
        assert_eq!(basic.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_refused_even_when_they_are_equal() {
    let world = World::new().await;
    let owner = world.owner().await;
    let secret = owner.secret().to_owned();
    for (name, value) in [
        ("x-api-key", secret.clone()),
        ("x-api-key", "other".to_owned()),
        ("authorization", format!("Bearer {secret}")),
    ] {
        let answer = owner.request("GET", "/v1/dashboards").header(name, &value).send().await;
        answer.refuses(400, "two_credentials");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_url_is_refused_even_beside_a_good_header_and_is_written_nowhere() {
    let world = World::new().await;
    let owner = world.owner().await;
    let leaked = world.owner().await.secret().to_owned();
    for query in [
        format!("key={leaked}"),
        format!("limit={leaked}"),
        format!("a=%63{}", &leaked[1..]),
        format!("api_key={leaked}"),
        format!("x={}", leaked.to_uppercase()),
    ] {
        for actor in [&owner, &world.anonymous()] {
            for path in ["/v1/dashboards", "/api/dashboards/", "/api/v1/dashboards/"] {
                let answer = actor.get(&format!("{path}?{query}")).await;
                answer.refuses(401, "key_in_url");
                assert!(!answer.text().contains(&leaked));
            }
        }
    }
    assert!(!world.is_written_down(&leaked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_an_odd_place_is_written_nowhere() {
    let world = World::new().await;
    let owner = world.owner().await;
    let leaked = world.owner().await.secret().to_owned();
    let request = owner.request("GET", &format!("/v1/dashboards/{leaked}"));
    request.header("user-agent", &format!("script/{leaked}")).send().await.refuses(404, "not_found");
    owner.get(&format!("/v1/{leaked}")).await.refuses(404, "not_found");
    assert!(world.last_call().operation.is_none());
    let agents: Vec<_> = world.calls().into_iter().filter_map(|call| call.user_agent).collect();
    assert!(agents.len() == 1 && agents[0].starts_with("script/"), "{agents:?}");
    assert!(!world.is_written_down(&leaked));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_first_follows_the_documented_order() {
    let world = World::with(|plot| plot.plan("enterprise", |plan| plan.requests_per_hour = 1)).await;
    let reader = world.key(Scope::ReadOnly).await;
    let far = reader.from("203.0.113.9");
    far.request("PUT", "/v1/nothing").send().await.refuses(403, "https_required");
    let twice = |path: &str, method: &str| reader.request(method, path).header("x-api-key", "other");
    twice("/v1/nothing", "GET").send().await.refuses(404, "not_found");
    twice("/v1/dashboards", "PUT").send().await.refuses(405, "method_not_allowed");
    twice("/v1/dashboards", "POST").body("{").send().await.refuses(400, "two_credentials");
    // Nothing so far has counted: the body is looked at, and that is what counts.
    reader
        .request("POST", "/v1/dashboards")
        .header("content-type", "application/json")
        .body("{")
        .send()
        .await
        .refuses(400, "invalid_json");
    reader.request("POST", "/v1/dashboards").json(&json!({"name": "x"})).send().await.refuses(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_is_looked_at_before_the_permission_and_the_permission_before_the_object() {
    let world = World::new().await;
    let reader = world.key(Scope::ReadOnly).await;
    let patch = |body: &'static str| {
        reader.request("PATCH", "/v1/dashboards/d_99").header("content-type", "application/json").body(body)
    };
    patch("{").send().await.refuses(400, "invalid_json");
    let refusal = patch(r#"{"name":"x"}"#).send().await.refuses(403, "permission_missing");
    assert_eq!(refusal["permission"], "dashboards:update");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_api_access_refuses_keys_and_lets_sessions_in() {
    let world = World::with(|plot| {
        plot.plan("starter", |plan| plan.api_access = true);
        plot.plan = "starter";
    })
    .await;
    let (key, session) = (world.owner().await, world.owner_session().await);
    let (key, session) = (key.secret().to_owned(), session.secret().to_owned());
    let world = world.restarted_with(|plot| plot.plan("starter", |plan| plan.api_access = false)).await;
    let refusal = world.bearer(&key).get("/v1/dashboards").await;
    refusal.refuses(403, "plan_required");
    assert!(refusal.message().contains("professional"), "names a plan that has it: {}", refusal.message());
    world.bearer(&session).get("/v1/dashboards").await.is(200);
    let created = world.bearer(&session).post("/v1/keys", json!({"name": "x"})).await;
    created.refuses(403, "plan_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowlist_is_kept_for_ipv4_and_ipv6() {
    let world = World::with(|plot| plot.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let ip_allowlist = vec!["198.51.100.0/24".to_owned(), "2001:db8::/32".to_owned()];
    let key = world.make_key(world.owner, KeyRequest { ip_allowlist, ..named() }).await;
    let from = |address: &'static str| {
        let request = key.request("GET", "/v1/dashboards").header("x-forwarded-proto", "https");
        request.header("x-forwarded-for", address)
    };
    for inside in ["198.51.100.4", "2001:db8::9", "::ffff:198.51.100.4"] {
        from(inside).send().await.is(200);
    }
    for outside in ["198.51.101.4", "2001:db9::9"] {
        let answer = from(outside).send().await;
        answer.refuses(403, "address_not_allowed");
        assert!(answer.message().contains(outside), "{}", answer.message());
    }
    assert_eq!(world.calls().iter().filter(|call| call.counted()).count(), 3, "refused by address counts nothing");
    let row = world.last_call();
    assert_eq!((row.code.as_deref(), row.key_id), (Some("address_not_allowed"), Some(1)), "the audit names the key");
    assert_eq!((row.address.to_string().as_str(), row.org), ("2001:db9::9", Some(world.org.raw())));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_read_is_on_no_list() {
    let world = World::with(|plot| plot.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    // The proxy itself is on the list: what it passes on unread must not profit from that.
    let ip_allowlist = vec!["127.0.0.0/8".to_owned(), "203.0.113.9".to_owned()];
    let key = world.make_key(world.owner, KeyRequest { ip_allowlist, ..named() }).await;
    let anywhere = world.owner().await;
    let from = |actor: &Actor, address: &str| {
        let request = actor.request("GET", "/v1/dashboards").header("x-forwarded-proto", "https");
        request.header("x-forwarded-for", address).send()
    };
    for unreadable in ["unknown", "203.0.113.9, _hidden", "fe80::1%1", "203.0.113.09", ""] {
        let answer = from(&key, unreadable).await;
        answer.refuses(403, "address_not_allowed");
        assert!(answer.message().contains("X-Forwarded-For"), "{}", answer.message());
        assert_eq!(world.last_call().address.to_string(), "127.0.0.1", "{unreadable}: the nearest that was read");
        from(&anywhere, unreadable).await.is(200);
    }
    for readable in ["203.0.113.9", "nonsense, 203.0.113.9", "203.0.113.9:4711, 127.0.0.1"] {
        from(&key, readable).await.is(200);
    }
    // An address and a network of IPv4 in the spelling of IPv6 are the addresses that they stand for.
    let ip_allowlist = vec!["::ffff:203.0.113.9".to_owned(), "::ffff:198.51.100.0/120".to_owned()];
    let mapped = world.make_key(world.owner, KeyRequest { ip_allowlist, ..named() }).await;
    for inside in ["203.0.113.9", "198.51.100.7", "::ffff:198.51.100.7"] {
        from(&mapped, inside).await.is(200);
    }
    from(&mapped, "203.0.113.10").await.refuses(403, "address_not_allowed");
    let lines = key.request("GET", "/v1/dashboards").header("x-forwarded-proto", "https");
    let lines = lines.header("x-forwarded-for", "203.0.113.9").header("x-forwarded-for", "198.51.100.4");
    lines.send().await.refuses(403, "address_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_a_client_moves_it_to_another_address() {
    let world = World::with(|plot| plot.http.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()]).await;
    let ip_allowlist = vec!["198.51.100.4".to_owned()];
    let key = world.make_key(world.owner, KeyRequest { ip_allowlist, ..named() }).await;
    let long = vec!["198.51.100.4"; 1_000].join(", ");
    for (name, value) in [
        ("x-forwarded-for", "198.51.100.4"),
        ("x-forwarded-for", &long),
        ("forwarded", "for=198.51.100.4;proto=https"),
        ("x-real-ip", "198.51.100.4"),
        ("true-client-ip", "198.51.100.4"),
        ("cf-connecting-ip", "198.51.100.4"),
        ("x-client-ip", "198.51.100.4"),
    ] {
        let direct = key.request("GET", "/v1/dashboards").header(name, value).send().await;
        direct.refuses(403, "address_not_allowed");
        assert_eq!(world.last_call().address.to_string(), "127.0.0.1", "{name}");
        // The proxy adds the address that it was called from; what the client sent before it changes nothing.
        let through = key.from("192.0.2.7").request("GET", "/v1/dashboards").header("x-forwarded-proto", "https");
        let through = through.header(name, value).header("x-forwarded-for", "203.0.113.9").send().await;
        through.refuses(403, "address_not_allowed");
        assert_eq!(world.last_call().address.to_string(), "203.0.113.9", "{name}");
    }
}
