//! Metrics: on a listener of their own, or to who has the token; true, and free of what clients choose.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;

use crate::binary::{Installation, Serving, ask, free_address};
use crate::patience::until_so_here;

const TOKEN: &str = "a-token-for-the-scraper-7";

/// An installation that serves metrics at both places.
fn measured(installation: &Installation) -> (Serving, SocketAddr) {
    measured_with(installation, &[])
}

/// The same with further settings.
fn measured_with(installation: &Installation, settings: &[(&'static str, String)]) -> (Serving, SocketAddr) {
    let (own, file) = (free_address(), installation.data().join("token"));
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let places =
        [("CLARIBI_METRICS__LISTEN", own.to_string()), ("CLARIBI_METRICS__TOKEN_FILE", file.display().to_string())];
    let serving = installation.serve_with(&[], &[&places, settings].concat());
    (serving, own)
}

fn scrape(address: SocketAddr, authorization: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    (text[9..12].parse().unwrap(), text)
}

/// The value of a series, by all that stands before it.
fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in {page}")).trim().parse().unwrap()
}

#[test]
fn metrics_count_calls_by_operation_and_outcome() {
    let installation = Installation::new();
    let key = installation.key("k");
    let (serving, own) = measured(&installation);
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for _ in 0..3 {
        assert_eq!(serving.get("/v1/dashboards", &key).unwrap().status, 200);
    }
    assert_eq!(serving.get("/v1/dashboards", "claribi_sk_live_nonsense").unwrap().status, 401);
    assert_eq!(serving.get("/v1/secret-table/claribi", &key).unwrap().status, 404);

    for address in [own, serving.address] {
        let (status, page) = scrape(address, &bearer);
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("content-type: application/openmetrics-text"), "{page}");
        assert!(page.trim_end().ends_with("# EOF"), "{page}");
        let calls = |operation, outcome| {
            value(&page, &format!("claribi_requests_total{{operation=\"{operation}\",outcome=\"{outcome}\"}}"))
        };
        assert_eq!(calls("dashboards_list", "ok"), 3.0);
        assert_eq!(calls("dashboards_list", "refused"), 1.0);
        assert_eq!(calls("none", "client"), 1.0);
        let of_list = "{operation=\"dashboards_list\"}";
        assert_eq!(value(&page, &format!("claribi_request_duration_seconds_count{of_list}")), 4.0);
        assert_eq!(value(&page, "claribi_requests_in_flight"), 0.0);
        assert!(value(&page, "claribi_audit_entries_total") >= 5.0);
        assert_eq!(value(&page, "claribi_limiter_callers"), 1.0);
        assert_eq!(value(&page, "claribi_limiter_callers_coarse"), 0.0);
        assert!(value(&page, "claribi_limiter_memory_bytes") > 0.0);
        assert!(value(&page, "claribi_access_looks_total") >= 1.0);
        assert!(value(&page, "claribi_wal_bytes{file=\"audit.db\"}") > 0.0);
        for series in ["claribi_writer_queue", "claribi_audit_queue", "claribi_audit_lag_seconds"] {
            assert_eq!(value(&page, series), 0.0);
        }
        assert_eq!(value(&page, "claribi_worker_jobs{lane=\"query\",state=\"waiting\"}"), 0.0);
        assert!(!page.contains(&key[16..24]) && !page.contains("secret-table"), "{page}");
    }
}

#[test]
fn days_that_are_counted_by_minutes_because_memory_is_short_are_told() {
    let installation = Installation::new();
    let key = installation.key("busy");
    let (serving, own) = measured_with(&installation, &[("CLARIBI_LIMITS__MEMORY", "1 B".to_owned())]);
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(serving.get("/v1/dashboards", &key).unwrap().status, 200);
    let page = || scrape(own, &bearer).1;
    until_so_here("a day that is counted by minutes", || value(&page(), "claribi_limiter_callers_coarse") == 1.0);
    assert_eq!(value(&page(), "claribi_limiter_callers"), 1.0);
    serving.until_logged("limits take more than `limits.memory`");
    // It goes on counting.
    let left = || serving.get("/v1/dashboards", &key).unwrap().header("x-ratelimit-remaining").unwrap().to_owned();
    assert_eq!([left(), left()], ["4998", "4997"]);
}

#[test]
fn metrics_are_shown_to_nobody_without_the_token() {
    let installation = Installation::new();
    let (serving, own) = measured(&installation);
    for address in [own, serving.address] {
        for sent in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic YTpi\r\n"] {
            let (status, page) = scrape(address, sent);
            assert_eq!(status, 401, "{page}");
            assert!(page.contains("www-authenticate: Bearer"), "{page}");
            assert!(!page.contains("claribi_requests"), "{page}");
        }
    }
}

#[test]
fn a_server_without_metrics_settings_has_no_metrics() {
    let installation = Installation::new();
    let serving = installation.serve();
    assert_eq!(scrape(serving.address, "").0, 404);
}

#[test]
fn the_listener_of_metrics_answers_nothing_else() {
    let installation = Installation::new();
    let (_serving, own) = measured(&installation);
    let get = |path: &str| ask(own, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    assert_eq!(get("/livez").unwrap().status, 200);
    assert_eq!(get("/readyz").unwrap().status, 200);
    assert_eq!(get("/v1/dashboards").unwrap().status, 404);
    assert_eq!(get("/").unwrap().status, 404);
}

#[test]
fn a_token_that_can_be_guessed_stops_the_start() {
    let installation = Installation::new();
    let file = installation.data().join("token");
    std::fs::write(&file, "secret\n").unwrap();
    let refused = installation.command(&["serve"]).env("CLARIBI_METRICS__TOKEN_FILE", &file).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("metrics.token_file") && said.contains("at least 20"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_hang_up_reads_the_log_level_again_and_stops_nothing() {
    let installation = Installation::new();
    let config = installation.data().join("config.toml");
    std::fs::write(&config, "[log]\nlevel = \"info\"\n").unwrap();
    let serving = installation.serve_with(&["--config", config.to_str().unwrap()], &[]);
    let key = installation.key("k");

    serving.get("/v1/dashboards", &key).unwrap();
    assert!(!serving.log().contains("a call"), "{}", serving.log());
    std::fs::write(&config, "[log]\nlevel = \"debug\"\n").unwrap();
    serving.signal(Signal::HUP);
    serving.until_logged("the log level was read again");
    serving.get("/v1/dashboards", &key).unwrap();
    serving.until_logged("a call");

    std::fs::write(&config, "[log]\nlevl = \"debug\"\n").unwrap();
    serving.signal(Signal::HUP);
    serving.until_logged("the configuration was not read again");
    assert_eq!(serving.get("/v1/dashboards", &key).unwrap().status, 200);
}
