use std::io::Write;
use std::time::Duration;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

fn with_file(text: &str) -> Result<Config, String> {
    Config::from_text(text, std::iter::empty(), Vec::new()).map_err(|error| error.to_string())
}

fn with_variables(pairs: &[(&str, &str)]) -> Result<Config, String> {
    Config::from_text("", variables(pairs), Vec::new()).map_err(|error| error.to_string())
}

fn defaults() -> Config {
    with_file("").unwrap()
}

#[test]
fn the_defaults_are_the_figures_of_the_product() {
    let config = defaults();
    let plan = |name: &str| {
        let plan = &config.plans[name];
        let general = (plan.requests_per_hour, plan.requests_per_day);
        (plan.api_access, general, (plan.generation_per_hour, plan.generation_per_day), plan.credits_per_month)
    };
    assert_eq!(plan("trial"), (false, (60, 500), (5, 20), 100));
    assert_eq!(plan("starter"), (false, (300, 5_000), (20, 100), 500));
    assert_eq!(plan("professional"), (true, (1_000, 20_000), (100, 500), 2_000));
    assert_eq!(plan("enterprise"), (true, (5_000, 100_000), (500, 2_000), 10_000));
    assert!(config.plans.iter().all(|(name, plan)| plan.ip_allowlist == (name == "enterprise")));
    assert_eq!((config.plans["trial"].trial_days, config.plans["starter"].trial_days), (Some(14), None));
    assert_eq!((config.limits.key_per_minute, config.limits.session_per_minute), (100, 1_000));
    assert_eq!(config.limits.redis_timeout.millis(), 50);
    assert_eq!((config.auth.access_ttl.millis(), config.auth.refresh_ttl.millis()), (3_600_000, 7 * 86_400_000));
    let server = &config.server;
    assert_eq!((server.json_limit.bytes(), server.sql_limit.bytes()), (1 << 20, 100_000));
    assert_eq!((server.upload_limit.bytes(), server.generate_wait.duration()), (2 << 30, Duration::from_secs(120)));
    assert_eq!((server.listen.to_string(), server.public_url.clone()), ("127.0.0.1:8080".into(), None));
    assert_eq!((config.keys.default_expiry, config.keys.max_lifetime), (None, None));
    assert_eq!(config.keys.max_grace.duration(), Duration::from_secs(86_400));
    assert!(config.plans.iter().all(|(name, plan)| plan.own_limits == (name == "enterprise")));
}

#[test]
fn every_line_of_the_example_can_be_uncommented() {
    let config = with_file(&schema::uncommented(EXAMPLE)).unwrap();
    assert_eq!(config.server.public_url.unwrap().as_str(), "https://bi.example.com");
    assert_eq!(config.keys.default_expiry.unwrap().to_string(), "365d");
}

#[test]
fn the_example_and_the_structures_have_the_same_settings() {
    let everything = with_file(&schema::uncommented(EXAMPLE)).unwrap();
    let names = |table: &Table| {
        let mut names = Vec::new();
        schema::collect_names(table, "", &mut names);
        names.sort();
        names
    };
    let structures = Table::try_from(&everything).unwrap();
    assert_eq!(names(&structures), names(&schema::parse(&schema::uncommented(EXAMPLE)).unwrap()));
    // What is printed is read as the same.
    assert_eq!(with_file(&structures.to_string()), Ok(everything));
}

#[test]
fn every_setting_is_explained_above_it() {
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let is_setting = |line: &str| line.trim_start_matches('#').starts_with(|first: char| first.is_ascii_lowercase());
    let mut section = "";
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with('[') {
            section = line;
        }
        // The plans after the first repeat its settings, and factors of one formula are explained together.
        let explained_elsewhere =
            section.starts_with("[plans.") && section != "[plans.trial]" || section == "[credits]";
        if is_setting(line) && !explained_elsewhere {
            assert!(lines[index - 1].starts_with("# "), "{section} {line}");
        }
    }
}

#[test]
fn limits_that_admit_nothing_or_are_reversed_are_refused_with_their_name() {
    for (setting, value, reason) in [
        ("limits.key_per_minute", "0", "above 0"),
        ("limits.session_per_minute", "0", "above 0"),
        ("limits.key_per_minute", "-5", "-5"),
        ("limits.memory", "0 B", "above 0"),
        ("plans.enterprise.requests_per_hour", "0", "api_access"),
        ("plans.enterprise.generation_per_day", "0", "api_access"),
        ("plans.enterprise.requests_per_day", "4999", "in an hour"),
        ("plans.enterprise.generation_per_hour", "2001", "in an hour"),
        ("plans.enterprise.requests_per_hour", "4294967296", "4294967296"),
        ("auth.login_window", "365000d", "30d"),
        ("auth.login_window", "0s", "0s"),
    ] {
        let variable = format!("CLARIBI_{}", setting.replace('.', "__").to_uppercase());
        let refusal = with_variables(&[(&variable, value)]).unwrap_err();
        // Of two figures that do not fit together either may be named.
        let section = setting.rsplit_once('.').unwrap().0;
        assert!(refusal.contains(section) && refusal.contains(reason), "{setting} = {value}: {refusal}");
    }
}

#[test]
fn a_plan_narrows_what_queries_may_use_and_widens_nothing() {
    let config = with_file("[plans.trial]\nquery_timeout = \"5s\"\nquery_rows = 500").unwrap();
    let trial = &config.plans["trial"];
    assert_eq!((trial.query_timeout.map(Period::millis), trial.query_rows), (Some(5_000), Some(500)));
    assert_eq!((trial.query_memory, config.plans["starter"].query_timeout), (None, None));
    for (setting, value, reason) in [
        ("query_timeout", "31s", "`worker.query_timeout`"),
        ("query_memory", "257 MiB", "`worker.query_memory`"),
        ("query_rows", "1000001", "`worker.max_rows`"),
        ("query_result", "65 MiB", "`worker.result_limit`"),
        ("query_timeout", "0s", "above 0"),
        ("query_memory", "0 B", "above 0"),
        ("query_rows", "0", "above 0"),
        ("query_result", "0 B", "above 0"),
    ] {
        let variable = format!("CLARIBI_PLANS__ENTERPRISE__{}", setting.to_uppercase());
        let refusal = with_variables(&[(&variable, value)]).unwrap_err();
        let named = refusal.contains(&format!("`plans.enterprise.{setting}`")) && refusal.contains(reason);
        assert!(named, "{setting} = {value}: {refusal}");
    }
    // What the workers have narrows every plan, and is refused when a plan has more.
    let file = "[worker]\nquery_timeout = \"3s\"\n[plans.trial]\nquery_timeout = \"5s\"";
    assert!(with_file(file).unwrap_err().contains("`plans.trial.query_timeout`"));
}

#[test]
fn flags_go_over_variables_over_the_file_over_the_defaults() {
    let file = "[limits]\nkey_per_minute = 1\nsession_per_minute = 1\n[log]\nlevel = \"warn\"";
    let env = variables(&[("CLARIBI_LIMITS__KEY_PER_MINUTE", "2"), ("CLARIBI_LIMITS__SESSION_PER_MINUTE", "2")]);
    let flags = vec![("limits.key_per_minute".to_owned(), Value::Integer(3))];
    let config = Config::from_text(file, env, flags).unwrap();
    assert_eq!((config.limits.key_per_minute, config.limits.session_per_minute), (3, 2));
    assert_eq!((config.log.level.as_str(), config.log.format), ("warn", LogFormat::Auto));
}

#[test]
fn a_file_is_read_and_a_missing_one_is_said_to_be_so_without_its_path() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[server]\nlisten = \"localhost:9\"\n").unwrap();
    let config = Config::load(Some(file.path()), std::iter::empty(), Vec::new()).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9");
    let missing = Config::load(Some(Path::new("/nowhere/at-all")), std::iter::empty(), Vec::new()).unwrap_err();
    assert!(missing.to_string().starts_with("the configuration file cannot be read"));
    assert!(!missing.to_string().contains("at-all"));
}

#[test]
fn a_misspelt_variable_is_refused_with_the_nearest_setting() {
    let error = with_variables(&[("CLARIBI_LIMITS__KEY_PER_MINTUE", "5")]).unwrap_err();
    assert_eq!(
        error,
        "there is no setting `limits.key_per_mintue` (variable CLARIBI_LIMITS__KEY_PER_MINTUE); \
         did you mean `limits.key_per_minute`?"
    );
}

#[test]
fn misspelt_settings_of_a_file_are_refused_with_the_nearest_one() {
    let cases = [
        ("[sever]\nlisten = \"127.0.0.1:1\"", "`sever` (configuration file); did you mean `server`?"),
        ("[server]\nlevel = \"info\"", "`server.level` (configuration file); did you mean `log.level`?"),
        ("[server]\npublic_ulr = \"x\"", "did you mean `server.public_url`?"),
        ("[plans.trial]\nrequest_per_hour = 1", "did you mean `plans.trial.requests_per_hour`?"),
        ("[plans.team]\nrequest_per_hour = 1", "did you mean `plans.team.requests_per_hour`?"),
        ("key_per_minute = 1", "did you mean `limits.key_per_minute`?"),
        ("[weather]\nforecast = 1", "config.example.toml lists all settings"),
        ("\"log.level\" = \"info\"", "there is no setting `log.level`"),
        ("log = 1", "`log` (configuration file) cannot be used: it is a section"),
        ("[log.level]\nx = 1", "`log.level` (configuration file) cannot be used: it has to be a string"),
    ];
    for (text, expected) in cases {
        let error = with_file(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn unknown_flags_and_sections_as_variables_are_refused() {
    let flag = vec![("server.lisen".to_owned(), Value::Integer(1))];
    let error = Config::from_text("", std::iter::empty(), flag).unwrap_err().to_string();
    assert_eq!(error, "there is no setting `server.lisen` (command line); did you mean `server.listen`?");
    for name in ["CLARIBI_SERVER__", "CLARIBI___LISTEN", "CLARIBI_PLANS__TRIAL", "CLARIBI_SERVER__LISTEN__PORT"] {
        assert!(with_variables(&[(name, "1")]).unwrap_err().contains(name), "{name}");
    }
}

#[test]
fn variables_of_the_command_line_and_of_others_stop_nothing() {
    let names =
        ["CLARIBI_KEY", "CLARIBI_URL", "CLARIBI_DATA_DIR", "CLARIBI_PASSWORD", "CLARIBI_CONFIG", "MY__THING", "PATH"];
    for name in names {
        assert_eq!(with_variables(&[(name, "anything")]), Ok(defaults()));
    }
}

#[test]
fn text_that_looks_like_a_number_or_a_truth_value_stays_text() {
    for text in ["007", "true", "123456", "1e9", "[a]", " x "] {
        let config = with_variables(&[("CLARIBI_LOG__LEVEL", text)]).unwrap();
        assert_eq!(config.log.level, text);
    }
    assert_eq!(
        with_variables(&[("CLARIBI_SERVER__HOSTS", "007, true,bi.local")]).unwrap().server.hosts,
        ["007", "true", "bi.local"]
    );
}

#[test]
fn variables_are_read_by_the_type_of_their_setting() {
    let config = with_variables(&[
        ("CLARIBI_AUDIT__FSYNC", "false"),
        ("CLARIBI_SERVER__TRUSTED_PROXIES", "10.0.0.0/8,::1"),
        ("CLARIBI_PLANS__TRIAL__REQUESTS_PER_HOUR", "61"),
        ("CLARIBI_SERVER__PUBLIC_URL", ""),
        ("CLARIBI_KEYS__DEFAULT_EXPIRY", "90d"),
        ("CLARIBI_SERVER__HOSTS", ""),
    ])
    .unwrap();
    assert!(!config.audit.fsync);
    assert!(config.server.trusted_proxies[0].contains("10.1.2.3".parse().unwrap()));
    assert!(config.server.trusted_proxies[0].contains("::ffff:10.1.2.3".parse().unwrap()));
    assert!(!config.server.trusted_proxies[1].contains("10.1.2.3".parse().unwrap()));
    assert_eq!(config.plans["trial"].requests_per_hour, 61);
    assert_eq!((config.server.public_url, config.server.hosts.len()), (None, 0));
    assert_eq!(config.keys.default_expiry.unwrap().millis(), 90 * 86_400_000);
}

#[test]
fn values_that_cannot_be_used_are_named_with_their_setting_and_origin() {
    let cases = [
        ("CLARIBI_SERVER__HEADER_TIMEOUT", "30 seconds", "`server.header_timeout`", "`30 seconds` is no duration"),
        ("CLARIBI_SERVER__HEADER_TIMEOUT", "0s", "`server.header_timeout`", "above 0"),
        ("CLARIBI_WORKER__MEMORY", "1 gigabyte", "`worker.memory`", "`1 gigabyte` is no size"),
        ("CLARIBI_WORKER__MEMORY", "99999999999 TiB", "`worker.memory`", "is no size"),
        ("CLARIBI_WORKER__ROWS", "many", "`worker.rows`", "`many` is no whole number"),
        ("CLARIBI_WORKER__ROWS", "-1", "`worker.rows`", "u32"),
        ("CLARIBI_AUDIT__FSYNC", "yes", "`audit.fsync`", "neither `true` nor `false`"),
        ("CLARIBI_AUDIT__RETENTION", "47h", "`audit.retention`", "48h or more"),
        ("CLARIBI_AUDIT__CHECKPOINT_ENTRIES", "0", "`audit.checkpoint_entries`", "above 0"),
        ("CLARIBI_AUDIT__ON_FAILURE", "hope", "`audit.on_failure`", "`hope` is none of refuse, degrade"),
        ("CLARIBI_LOG__FORMAT", "xml", "`log.format`", "`xml` is none of auto, json, text"),
        ("CLARIBI_SERVER__LISTEN", "bi.example.com:80", "`server.listen`", "127.0.0.1:8080"),
        ("CLARIBI_SERVER__TRUSTED_PROXIES", "10.0.0.1,nginx", "`server.trusted_proxies`", "`nginx` is neither"),
        ("CLARIBI_SERVER__CORS_ORIGINS", "*", "`server.cors_origins`", "`*` is no origin"),
        (
            "CLARIBI_SERVER__CORS_ORIGINS",
            "https://a.example,https://B.example",
            "`server.cors_origins`",
            "in lower case",
        ),
        ("CLARIBI_SERVER__CORS_ORIGINS", "https://a.example/", "`server.cors_origins`", "nothing after it"),
        (
            "CLARIBI_SERVER__CORS_ORIGINS",
            "https://a.example:443",
            "`server.cors_origins`",
            "unless it is the usual one",
        ),
        ("CLARIBI_SERVER__CORS_ORIGINS", "https://u@a.example", "`server.cors_origins`", "no origin"),
        ("CLARIBI_SERVER__CORS_ORIGINS", "ftp://a.example", "`server.cors_origins`", "no origin"),
        ("CLARIBI_SERVER__CORS_ORIGINS", "null", "`server.cors_origins`", "no origin"),
        ("CLARIBI_SERVER__PUBLIC_URL", "bi.example.com", "`server.public_url`", "https://bi.example.com"),
        ("CLARIBI_SERVER__PUBLIC_URL", "https://bi.example.com/x", "`server.public_url`", "is no public address"),
        ("CLARIBI_SERVER__MAX_CONNECTIONS", "0", "`server.max_connections`", "above 0"),
        ("CLARIBI_WORKER__QUERY_MEMORY", "2 GiB", "`worker.query_memory`", "`worker.memory`"),
    ];
    for (variable, text, setting, reason) in cases {
        let error = with_variables(&[(variable, text)]).unwrap_err();
        assert!(error.contains(setting) && error.contains(reason) && error.contains(variable), "{error}");
    }
    let error = with_file("[auth]\naccess_ttl = \"soon\"").unwrap_err();
    assert!(error.starts_with("the setting `auth.access_ttl` (configuration file) cannot be used: `soon`"), "{error}");
    let error = with_file("[auth]\naccess_ttl = 30").unwrap_err();
    assert!(error.contains("`auth.access_ttl` (configuration file)"), "{error}");
    assert_eq!(
        with_file("[auth]\n\naccess_ttl =").unwrap_err().split(':').next().unwrap(),
        "the configuration file is not valid TOML in line 3"
    );
}

#[test]
fn a_plan_of_ones_own_needs_all_its_settings() {
    let error = with_file("[plans.team]\napi_access = true").unwrap_err();
    assert!(
        error.starts_with(
            "the setting `plans.team` (configuration file) cannot be used: `requests_per_hour` is missing"
        ),
        "{error}"
    );
    let professional = EXAMPLE.split("[plans.professional]").nth(1).unwrap().split('[').next().unwrap();
    let config = with_file(&format!("[plans.team]{professional}")).unwrap();
    assert_eq!(config.plans["team"], config.plans["professional"]);
    assert_eq!(config.plans.len(), 5);
}

#[test]
fn sizes_and_durations_are_read_in_any_unit_and_printed_in_the_largest() {
    let sizes = [
        ("1 MiB", 1 << 20, "1 MiB"),
        ("100kb", 100_000, "100 kB"),
        ("1024 KiB", 1 << 20, "1 MiB"),
        ("0 B", 0, "0 B"),
        ("1000 MB", 1_000_000_000, "1 GB"),
    ];
    for (text, bytes, printed) in sizes {
        let size: Size = text.parse().unwrap();
        assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, printed));
    }
    for (text, millis, printed) in
        [("90s", 90_000, "90s"), ("24 h", 86_400_000, "1d"), ("250ms", 250, "250ms"), ("7D", 604_800_000, "7d")]
    {
        let period: Period = text.parse().unwrap();
        assert_eq!((period.millis(), period.to_string().as_str()), (millis, printed));
    }
    for text in ["", "5", "s", "1.5h", "-1s", "1 h 30 m", "１s", "9999999999999999999s"] {
        assert!(text.parse::<Period>().is_err() && text.parse::<Size>().is_err(), "{text}");
    }
}
