//! Tokens that are none of ours, or not for this: refused before anything that they say is believed. Most of them are
//! signed with the real key, which nobody has: what a signature does not settle has to hold without it.

use aws_lc_rs::hmac::{Algorithm, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key, sign};
use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use claribi::service::access::TokenKind;
use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

const HEAD: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
const FACES: [&str; 3] = ["/v1/users/me", "/api/users/me/", "/api/v1/auth/verify/"];

/// A world with a session, and what tokens of that session are made of.
struct Forge {
    world: World,
    access: String,
    refresh: String,
    claims: Value,
    key: [u8; 32],
}

impl Forge {
    async fn new() -> Self {
        let world = World::new().await;
        let login = json!({"email": "owner@example.com", "password": PASSWORD});
        let tokens = world.anonymous().post("/api/auth/login/", login).await.is(200);
        let access = tokens["access"].as_str().unwrap().to_owned();
        let payload = URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap();
        let key = *world.app.keyring.sessions.current().1.derive(TokenKind::Access.purpose()).expose();
        let refresh = tokens["refresh"].as_str().unwrap().to_owned();
        Self { world, access, refresh, claims: serde_json::from_slice(&payload).unwrap(), key }
    }

    fn signed(&self, head: &str, payload: &str) -> String {
        signed(HMAC_SHA256, &self.key, head, payload)
    }

    /// A token with our signature whose claims differ in one.
    fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        self.signed(HEAD, &claims.to_string())
    }

    fn without(&self, name: &str) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        self.signed(HEAD, &claims.to_string())
    }

    async fn is_refused(&self, what: &str, token: &str) {
        for path in FACES {
            let answer = self.world.bearer(token).get(path).await;
            assert_eq!(answer.status, 401, "{what}: {}", answer.text());
            let code = answer.code();
            // What does not even begin like a token of anybody's is taken for a key.
            let expected = if token.starts_with("eyJ") { "invalid_token" } else { "invalid_key" };
            assert_eq!(code, expected, "{what}");
        }
        let body = json!({"refresh": token});
        let answer = self.world.anonymous().post("/api/auth/token/refresh/", body).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_token"), "{what}");
    }
}

fn signed(algorithm: Algorithm, key: &[u8], head: &str, payload: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(payload));
    let signature = sign(&Key::new(algorithm, key), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_changes_nothing_makes_tokens_that_are_taken() {
    let forge = Forge::new().await;
    // Otherwise every refusal below would say nothing.
    let same = forge.signed(HEAD, &forge.claims.to_string());
    for token in [&forge.access, &same] {
        for path in FACES {
            forge.world.bearer(token).get(path).await.is(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_chooses_an_algorithm_or_a_key() {
    let forge = Forge::new().await;
    let claims = forge.claims.to_string();
    for algorithm in ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA", "hs256"]
    {
        let head = json!({"typ": "JWT", "alg": algorithm}).to_string();
        let token = forge.signed(&head, &claims);
        forge.is_refused(algorithm, &token).await;
        let unsigned = &token[..=token.rfind('.').unwrap()];
        forge.is_refused(&format!("{algorithm} without a signature"), unsigned).await;
    }
    for (head, algorithm) in
        [(r#"{"typ":"JWT","alg":"HS384"}"#, HMAC_SHA384), (r#"{"typ":"JWT","alg":"HS512"}"#, HMAC_SHA512)]
    {
        forge.is_refused("our key with another hash", &signed(algorithm, &forge.key, head, &claims)).await;
        forge.is_refused("another hash under our head", &signed(algorithm, &forge.key, HEAD, &claims)).await;
    }
    for head in [
        r#"{"alg":"HS256"}"#,
        r#"{"typ":"at+jwt","alg":"HS256"}"#,
        r#"{"typ":"JWT","alg":["HS256"]}"#,
        r#"{"typ":"JWT","alg":"HS256","alg":"none"}"#,
        r#"{"typ":"JWT","alg":"none","alg":"HS256"}"#,
        r#"{"typ":"JWT","alg":"HS256","kid":"../../../../dev/null"}"#,
        r#"{"typ":"JWT","alg":"HS256","kid":"1' OR '1'='1"}"#,
        r#"{"typ":"JWT","alg":"HS256","jku":"https://evil.example/keys"}"#,
        r#"{"typ":"JWT","alg":"HS256","x5u":"https://evil.example/chain"}"#,
        r#"{"typ":"JWT","alg":"HS256","jwk":{"kty":"oct","k":"AA"}}"#,
        r#"{"typ":"JWT","alg":"HS256","crit":["exp"]}"#,
        r#"{"typ":"JWT","alg":"HS256","zip":"DEF"}"#,
        r#"{"typ": "JWT", "alg": "HS256"}"#,
        r#"["HS256"]"#,
        "HS256",
        "{",
        "",
    ] {
        forge.is_refused(head, &forge.signed(head, &claims)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_elsewhere_signs_nothing_here() {
    let forge = Forge::new().await;
    let claims = forge.claims.to_string();
    let sessions = *forge.world.app.keyring.sessions.current().1.expose();
    let refresh = *forge.world.app.keyring.sessions.current().1.derive(TokenKind::Refresh.purpose()).expose();
    let cursors = *forge.world.app.keyring.cursors.current().1.expose();
    for (what, key) in [
        ("the secret itself, not derived", &sessions[..]),
        ("the key of refresh tokens", &refresh),
        ("another secret", &cursors),
        ("zeros", &[0; 32]),
        ("nothing", &[]),
        ("a word", b"secret"),
        ("our key as text", hex::encode(forge.key).as_bytes()),
    ] {
        let token = signed(HMAC_SHA256, key, HEAD, &claims);
        let answer = forge.world.bearer(&token).get(FACES[0]).await;
        answer.refuses(401, "invalid_token");
        assert_ne!(token, forge.access, "{what}");
    }
    let other = Forge::new().await;
    forge.is_refused("a token of another installation", &other.access).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_are_no_times_of_ours_are_refused() {
    let forge = Forge::new().await;
    let now = forge.world.clock.now().seconds();
    for (name, values) in [
        (
            "exp",
            vec![
                json!("2026-04-06T10:00:00Z"),
                json!((now + 60).to_string()),
                json!((now + 60) as f64 + 0.5),
                json!(1e30),
                json!(-1),
                json!(0),
                json!(now),
                json!(now - 1),
                json!(now + 10 * 365 * 86_400),
                json!(i64::MAX),
                json!(i64::MIN),
                json!(u64::MAX),
                json!(null),
                json!(true),
                json!([now + 60]),
            ],
        ),
        (
            "iat",
            vec![
                json!(now.to_string()),
                json!(now as f64 + 0.5),
                json!(-1),
                json!(now + 3_600),
                json!(i64::MAX),
                json!(i64::MIN),
                json!(null),
            ],
        ),
    ] {
        for value in values {
            forge.is_refused(&format!("{name} {value}"), &forge.with(name, value)).await;
        }
        forge.is_refused(&format!("no {name}"), &forge.without(name)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_are_not_exactly_ours_are_refused() {
    let forge = Forge::new().await;
    for (name, values) in [
        ("iss", vec![json!("Claribi"), json!("https://claribi.example"), json!(""), json!(null), json!(["claribi"])]),
        ("typ", vec![json!("refresh"), json!("Access"), json!("admin"), json!(1), json!(null)]),
        ("sub", vec![json!("u_2"), json!("u_01"), json!(1), json!(""), json!("org_1"), json!(null), json!({"id": 1})]),
        ("sid", vec![json!(0), json!(-1), json!(2), json!("1"), json!(1.5), json!(i64::MAX), json!(null)]),
        ("jti", vec![json!(1), json!(null)]),
        ("nbf", vec![json!("soon"), json!(0)]),
        ("role", vec![json!("owner")]),
        ("aud", vec![json!("claribi")]),
    ] {
        for value in values {
            forge.is_refused(&format!("{name} {value}"), &forge.with(name, value)).await;
        }
    }
    for name in ["iss", "typ", "sub", "sid", "jti"] {
        forge.is_refused(&format!("no {name}"), &forge.without(name)).await;
    }
    let claims = forge.claims.to_string();
    for (name, value) in [("sid", "2"), ("sub", "\"u_1\""), ("exp", "9999999999"), ("typ", "\"access\"")] {
        let twice = format!("{{\"{name}\":{value},{}", &claims[1..]);
        forge.is_refused(&format!("{name} twice"), &forge.signed(HEAD, &twice)).await;
    }
    for payload in ["", "{}", "[]", "null", "1", "{\"exp\":", "\u{0}", &format!("{claims} {claims}")] {
        forge.is_refused(payload, &forge.signed(HEAD, payload)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_opens_nothing_and_an_access_token_refreshes_nothing() {
    let forge = Forge::new().await;
    for path in FACES {
        forge.world.bearer(&forge.refresh).get(path).await.refuses(401, "invalid_token");
    }
    let anonymous = forge.world.anonymous();
    let refreshed = anonymous.post("/api/auth/token/refresh/", json!({"refresh": forge.refresh})).await.is(200);
    assert_ne!(refreshed["access"], forge.access.as_str());
    anonymous.post("/api/auth/token/refresh/", json!({"refresh": forge.access})).await.refuses(401, "invalid_token");
    // Nor does either become the other by its claim alone.
    let renamed = forge.with("typ", json!("refresh"));
    anonymous.post("/api/auth/token/refresh/", json!({"refresh": renamed})).await.refuses(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_another_shape_are_refused_before_they_are_decoded() {
    let forge = Forge::new().await;
    let token = &forge.access;
    let parts: Vec<&str> = token.split('.').collect();
    let padded = parts.iter().map(|part| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(part).unwrap())).collect::<Vec<_>>();
    let shapes = [
        ("no dot", token.replace('.', "")),
        ("one dot", format!("{}.{}", parts[0], parts[1])),
        ("three dots", format!("{token}.")),
        ("five parts, as an encrypted one has", format!("{token}.AAAA.AAAA")),
        ("many dots", format!("{}{}", parts[0], ".".repeat(10_000))),
        ("many parts", format!("{token}{}", ".AAAA".repeat(2_000))),
        ("a long payload", format!("{}.{}.{}", parts[0], "A".repeat(12_000), parts[2])),
        ("a long signature", format!("{token}{}", "A".repeat(12_000))),
        ("padding", padded.join(".")),
        ("a padded signature", format!("{token}=")),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("no payload", format!("{}..{}", parts[0], parts[2])),
        ("a signature cut short", token[..token.len() - 2].to_owned()),
        ("the ordinary alphabet", format!("{}.{}.+/{}", parts[0], parts[1], &parts[2][2..])),
        ("something behind it", format!("{token}AAAA")),
        ("letters of another alphabet", token.replacen("eyJ", "eyJ%", 1)),
    ];
    for (what, shape) in shapes {
        forge.is_refused(what, &shape).await;
    }
    // 256 bits are 42 digits and two thirds: the last digit has two bits to spare, which must be zero.
    let spare = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    assert_eq!(spare.len(), 32);
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = digits.find(token.chars().last().unwrap()).unwrap();
    for same_bits in 1..4 {
        let digit = &digits[last + same_bits..=last + same_bits];
        forge.is_refused("a signature that is not canonical", &format!("{}{digit}", &token[..token.len() - 1])).await;
    }
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let answer = forge.world.bearer(std::str::from_utf8(&bytes).unwrap()).get(FACES[0]).await;
        assert_eq!(answer.status, 401, "the character {position} is another: {}", answer.text());
    }
    let long = "A".repeat(900_000);
    let body = json!({"refresh": format!("{}.{long}.{}", parts[0], parts[2])});
    forge.world.anonymous().post("/api/auth/token/refresh/", body).await.refuses(401, "invalid_token");
}
